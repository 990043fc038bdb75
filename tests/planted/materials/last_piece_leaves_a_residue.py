"""The rule rounds the share of the last piece too, so that value is left without quantity."""

from decimal import Decimal

from services.materials.rules import valuation
from tests.planted.planting import replace

RULE = "MAT-181"


def plant() -> None:
    def share(value: Decimal, part: Decimal, whole: Decimal, digits: int = 2) -> Decimal:
        return valuation.rounded(value / whole, digits) * part

    replace(valuation, "share", share)
