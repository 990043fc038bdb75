"""What goes out at a given cost takes the value below zero instead of leaving a variance."""

from decimal import Decimal
from typing import Any

from services.materials.rules import valuation
from tests.planted.planting import replace

RULE = "MAT-46"


def plant() -> None:
    def take_out(stock: Any, quantity: Decimal, cost: Decimal) -> Any:
        return valuation.Stock(stock.quantity - quantity, stock.value - cost, stock.variance)

    replace(valuation, "take_out", take_out)
