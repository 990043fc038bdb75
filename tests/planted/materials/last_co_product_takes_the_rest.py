"""Shares of the cost are rounded each by itself, and the last takes what is left."""

from collections.abc import Sequence
from decimal import Decimal

from services.materials.rules import order_cost, valuation
from services.materials.rules.order_cost import Cost
from tests.planted.planting import replace

RULE = "MAT-127"


def plant() -> None:
    def cost(absorbed: Decimal, carry: Decimal, beside: Decimal, percents: Sequence[Decimal], digits: int = 2) -> Cost:
        whole = absorbed + carry
        shares = [valuation.rounded(whole * percent / 100, digits) for percent in percents]
        return Cost(shares, whole - sum(shares, Decimal(0)) - beside)

    replace(order_cost, "cost", cost)
