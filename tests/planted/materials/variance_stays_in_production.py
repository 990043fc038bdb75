"""The variance of an order is said and not booked."""

from typing import Any

from services.materials.api import production
from tests.planted.planting import replace

RULE = "MAT-121"


def plant() -> None:
    async def book(unit: Any, order: Any, reason: str) -> None:
        order.variance_value = order.consumed_value - order.output_value

    replace(production, "book_variance", book)
