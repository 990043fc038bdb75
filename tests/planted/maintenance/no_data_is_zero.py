"""A measure without data is 0."""

from decimal import Decimal
from typing import Any

from services.maintenance.rules.measures import Value
from tests.planted.planting import replace

RULE = "MNT-282"


def plant() -> None:
    original = vars(Value)["value"].fget

    def zero(self: Any) -> Decimal:
        found = original(self)
        return Decimal(0) if found is None else found

    replace(Value, "value", property(zero))
