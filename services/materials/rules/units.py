"""Quantities in other units, exactly: rational factors, rounded nowhere but refused off the grid (MAT-3 .. MAT-7)."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction


class NoConversion(ValueError):
    """The item has no factor between the units."""


class OffGrid(ValueError):
    """The exact result does not lie on the base unit's grid."""

    def __init__(self, exact: Fraction, step: Decimal) -> None:
        super().__init__(f"{exact} is off the grid of {step}")
        self.exact = exact
        self.step = step


def to_base(
    quantity: Decimal, unit_code: str, base_unit: str, factors: Mapping[str, Fraction], step: Decimal
) -> Decimal:
    """Quantity in the base unit: entered × numerator ÷ denominator; OffGrid rather than rounding (MAT-4)."""
    if unit_code == base_unit:
        exact = Fraction(quantity)
    elif unit_code in factors:
        exact = Fraction(quantity) * factors[unit_code]
    else:
        raise NoConversion(unit_code)
    return on_grid(exact, step)


def on_grid(exact: Fraction, step: Decimal) -> Decimal:
    """The exact value as a decimal on the grid of a step."""
    count = exact / Fraction(step)
    if count.denominator != 1:
        raise OffGrid(exact, step)
    return Decimal(count.numerator) * step


def from_base(quantity: Decimal, factor: Fraction) -> Fraction:
    """Quantity in another unit, exactly; base -> unit -> base is the identity (MAT-6)."""
    return Fraction(quantity) / factor


def decimal(exact: Fraction, places: int = 6) -> Decimal:
    """An exact value as a decimal, half-even where it has more places; for showing, not for deciding."""
    whole = exact * 10**places
    return Decimal(round(whole)).scaleb(-places)
