"""Quantities in other units: one rational factor, one rounding to the grid of the base unit (MAT-3 .. MAT-8)."""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from services.materials.rules.unit_codes import discrete, ratio, unit

LARGEST = 2**63 - 1
"""Most that a numerator or denominator of a kept factor may be."""


class Rounding(StrEnum):
    """How a quantity between two steps becomes one of them."""

    HALF_EVEN = "HALF_EVEN"
    HALF_UP = "HALF_UP"


class NoConversion(ValueError):
    """The item has no factor between the units."""


class UnknownUnit(ValueError):
    """Neither a unit code that is known nor one of the item."""


class OffGrid(ValueError):
    """The exact result does not lie on the base unit's grid."""

    def __init__(self, exact: Fraction, step: Decimal) -> None:
        super().__init__(f"{exact} is off the grid of {step}")
        self.exact = exact
        self.step = step


def looks_like_code(word: str) -> bool:
    """Whether a word has the form of a unit code."""
    return re.fullmatch("[A-Z0-9]{2,3}", word) is not None


def factor(unit_code: str, base_unit: str, factors: Mapping[str, Fraction]) -> Fraction:
    """Base units per unit: by definition within a dimension, by the item's own factor across dimensions (MAT-7).

    A unit of a dimension into which the item has a factor of its own goes through that one: with 2 pieces to the
    kilogram a gram is 1/500 piece. Units that are not known here count for what the item says alone.
    """
    if unit_code == base_unit:
        return Fraction(1)
    known = ratio(unit_code, base_unit)
    if unit_code in factors:
        found = factors[unit_code]
    elif known is not None:
        found = known
    elif unit(unit_code) is None:
        raise UnknownUnit(unit_code)
    else:
        ways = ((ratio(unit_code, code), size) for code, size in factors.items())
        through = next((size * way for way, size in ways if way is not None), None)
        if through is None:
            raise NoConversion(unit_code)
        found = through
    if max(found.numerator, found.denominator) > LARGEST:
        raise NoConversion(unit_code)
    return found


def contradiction(base_unit: str, factors: Mapping[str, Fraction]) -> tuple[str, Fraction] | None:
    """The first of an item's factors that a definition or an earlier one refutes, with what it should be."""
    known: dict[str, Fraction] = {base_unit: Fraction(1)}
    for code, given in factors.items():
        for other, size in known.items():
            per = ratio(code, other)
            if per is not None and size * per != given:
                return code, size * per
        known[code] = given
    return None


def to_base(
    quantity: Decimal, unit_code: str, base_unit: str, factors: Mapping[str, Fraction], step: Decimal,
    rounding: Rounding = Rounding.HALF_EVEN,
) -> Decimal:  # fmt: skip
    """Quantity in the base unit: entered × numerator ÷ denominator, brought to the grid once (MAT-3, MAT-4)."""
    if unit_code == base_unit:
        count, rest = divmod(quantity, step)
        if not rest:  # on the grid as it stands
            return count * step
    return settled(Fraction(quantity) * factor(unit_code, base_unit, factors), base_unit, step, rounding)


def settled(exact: Fraction, unit_code: str, step: Decimal, rounding: Rounding) -> Decimal:
    """On the grid: pieces have to lie on it, what is measured is rounded once; not to nothing (MAT-3, MAT-4)."""
    if discrete(unit_code):
        return on_grid(exact, step)
    found = nearest(exact, step, rounding)
    if found == 0 and exact != 0:
        raise OffGrid(exact, step)
    return found


def on_grid(exact: Fraction, step: Decimal) -> Decimal:
    """The exact value as a decimal on the grid of a step."""
    count = exact / Fraction(step)
    if count.denominator != 1:
        raise OffGrid(exact, step)
    return Decimal(count.numerator) * step


def nearest(exact: Fraction, step: Decimal, rounding: Rounding = Rounding.HALF_EVEN) -> Decimal:
    """The nearest multiple of a step; of two equally near the even one, or the one further from 0."""
    count = exact / Fraction(step)
    if rounding is Rounding.HALF_UP:
        whole = math.floor(abs(count) + Fraction(1, 2))
        return Decimal(whole if count > 0 else -whole) * step
    return Decimal(round(count)) * step


def down(exact: Fraction, step: Decimal) -> Decimal:
    """What of it is surely there: the multiple of a step not above (MAT-5)."""
    return Decimal(math.floor(exact / Fraction(step))) * step


def up(exact: Fraction, step: Decimal) -> Decimal:
    """What surely covers it: the multiple of a step not below (MAT-5)."""
    return Decimal(math.ceil(exact / Fraction(step))) * step


SHOWN = Decimal("0.000001")
"""Grid of what is measured in another unit than the base unit."""


def grid(unit_code: str, base_unit: str, base_step: Decimal) -> Decimal:
    """Step of quantities in a unit of an item."""
    if unit_code == base_unit:
        return base_step
    return Decimal(1) if discrete(unit_code) else SHOWN


def brought(exact: Fraction, unit_code: str, step: Decimal, rounding: Rounding, purpose: str) -> Decimal:
    """To the grid of a unit: AVAILABLE down, DEMAND up, otherwise as a posting would (MAT-3 .. MAT-5)."""
    if purpose == "AVAILABLE":
        return down(exact, step)
    if purpose == "DEMAND":
        return up(exact, step)
    return settled(exact, unit_code, step, rounding)


def split(total: Decimal, ratios: Sequence[Decimal | int], step: Decimal) -> list[Decimal]:
    """Parts in a ratio that sum to the total exactly: largest remainder, ties by position (MAT-5)."""
    whole = Fraction(sum((Fraction(ratio) for ratio in ratios), Fraction(0)))
    if whole <= 0 or any(ratio < 0 for ratio in ratios):
        raise ValueError("ratios are not negative and not all 0")
    count = int(on_grid(Fraction(abs(total)), step) / step)
    exact = [count * Fraction(ratio) / whole for ratio in ratios]
    parts = [math.floor(share) for share in exact]
    order = sorted(range(len(parts)), key=lambda index: (parts[index] - exact[index], index))
    for index in order[: count - sum(parts)]:
        parts[index] += 1
    sign = -1 if total < 0 else 1
    return [sign * part * step for part in parts]


def from_base(quantity: Decimal, base_units: Fraction) -> Fraction:
    """Quantity in another unit, exactly; base -> unit -> base is the identity (MAT-6)."""
    return Fraction(quantity) / base_units


def decimal(exact: Fraction, places: int = 6) -> Decimal:
    """An exact value as a decimal, half-even where it has more places; for showing, not for deciding."""
    whole = exact * 10**places
    return Decimal(round(whole)).scaleb(-places)
