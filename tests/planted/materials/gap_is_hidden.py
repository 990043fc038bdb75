"""A mass balance says that it closes, whatever is missing."""

from decimal import Decimal

from services.materials.rules.mass_balance import MassBalance
from tests.planted.planting import replace

RULE = "MAT-137"


def plant() -> None:
    replace(MassBalance, "gap", property(lambda self: Decimal(0)))
