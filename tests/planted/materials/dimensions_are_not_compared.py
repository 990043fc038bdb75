"""A metre is a kilogram: sizes are compared whatever they measure."""

from fractions import Fraction

from services.materials.rules import unit_codes, units
from tests.planted.planting import replace

RULE = "MAT-7"


def plant() -> None:
    def ratio(code: str, other: str) -> Fraction | None:
        one, two = unit_codes.unit(code), unit_codes.unit(other)
        return one.size / two.size if one is not None and two is not None else None

    replace(units, "ratio", ratio)
