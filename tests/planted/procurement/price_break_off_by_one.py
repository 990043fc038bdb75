"""A break holds from above its quantity and not from it on."""

from typing import Any

from services.procurement.rules import price
from tests.planted.planting import replace

RULE = "PRC-37"


def plant() -> None:
    def above(prices: Any, quantity: Any, day: Any) -> Any:
        found = [row for row in prices if row.valid(day) and (row.break_quantity or -1) < quantity]
        if not found:
            raise price.NoPrice("no price is valid")
        return max(found, key=lambda row: row.break_quantity)

    replace(price, "price_of", above)
