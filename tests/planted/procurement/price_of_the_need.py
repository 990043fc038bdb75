"""The break is chosen by the need and not by the order quantity."""

from typing import Any

from services.procurement.rules import price
from tests.planted.planting import replace

RULE = "PRC-38"


def plant() -> None:
    def early(terms: Any, need: Any, day: Any) -> Any:
        amount = price.order_quantity(need, terms.minimum, terms.multiple)
        row = price.price_of(terms.prices, need, day)
        return price.Quote(amount, row, price.net(amount, row.unit_price, terms.price_base, terms.currency_code))

    replace(price, "quote", early)
