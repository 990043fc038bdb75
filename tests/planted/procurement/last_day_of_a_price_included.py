"""A price holds on the day on which it ends too."""

from typing import Any

from services.procurement.rules.price import Price
from tests.planted.planting import replace

RULE = "PRC-31"


def plant() -> None:
    def valid(self: Any, day: Any) -> bool:
        return (self.from_date is None or self.from_date <= day) and (self.to_date is None or day <= self.to_date)

    replace(Price, "valid", valid)
