"""All of a later cost goes to the stock, also for what is used up."""

from decimal import Decimal

from services.materials.rules import valuation
from tests.planted.planting import replace

RULE = "MAT-185"


def plant() -> None:
    def landed(
        amount: Decimal, received: Decimal, remaining: Decimal, stock_value: Decimal, digits: int = 2
    ) -> Decimal:
        return amount

    replace(valuation, "landed", landed)
