"""A quantity off the grid is rounded silently."""

from decimal import Decimal
from fractions import Fraction

from services.materials.rules import units
from tests.planted.planting import replace

RULE = "MAT-4"


def plant() -> None:
    def rounded(exact: Fraction, step: Decimal) -> Decimal:
        return round(exact / Fraction(step)) * step

    replace(units, "on_grid", rounded)
