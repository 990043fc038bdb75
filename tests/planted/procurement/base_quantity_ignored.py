"""A price per hundred is taken for a price per piece."""

from typing import Any

from services.procurement.rules import price
from tests.planted.planting import replace

RULE = "PRC-2"


def plant() -> None:
    original = price.net

    def each(quantity: Any, unit_price: Any, base_quantity: Any, currency_code: str) -> Any:
        return original(quantity, unit_price, type(base_quantity)(1), currency_code)

    replace(price, "net", each)
