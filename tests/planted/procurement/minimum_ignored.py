"""The supplier's minimum is ignored."""

from typing import Any

from services.procurement.rules import price
from tests.planted.planting import replace

RULE = "PRC-35"


def plant() -> None:
    original = price.order_quantity

    def any_quantity(need: Any, minimum: Any, multiple: Any) -> Any:
        return original(need, 0, multiple)

    replace(price, "order_quantity", any_quantity)
