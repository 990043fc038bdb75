"""Weights of handling units, in kilograms, exact."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

MASSES = {
    "KGM": Fraction(1), "GRM": Fraction(1, 1000), "TNE": Fraction(1000), "LBR": Fraction(45359237, 100_000_000),
}  # fmt: skip
"""Kilograms of one unit of mass (UN/ECE Recommendation 20)."""
VOLUMES = frozenset({"MTQ", "DMQ", "CMQ", "LTR"})
"""Units of volume that limits are stated in."""

Stated = tuple[Decimal | None, str]


def kilograms(value: Decimal | None, unit_code: str) -> Fraction | None:
    """A weight in kilograms; None for no value or what is no mass."""
    factor = MASSES.get(unit_code)
    return None if value is None or factor is None else Fraction(value) * factor


def heaviest(stated: Stated, tare: Stated, inside: Iterable[Fraction | None]) -> Fraction | None:
    """Weight of a unit: as stated, else its tare and all that is inside; None when a part of it is not known."""
    if (given := kilograms(*stated)) is not None:
        return given
    parts = [kilograms(*tare), *inside]
    known = [part for part in parts if part is not None]
    return sum(known, Fraction(0)) if len(known) == len(parts) else None
