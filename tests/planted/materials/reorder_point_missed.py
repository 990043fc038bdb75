"""A policy asks below its point and not at it."""

from decimal import Decimal

from services.materials.rules import replenishment
from tests.planted.planting import replace

RULE = "MAT-165"


def plant() -> None:
    original = replenishment.needed

    def later(
        method: str, position: Decimal, reorder_point: Decimal, order_quantity: Decimal, maximum: Decimal
    ) -> Decimal:
        if method == "REORDER_POINT" and position >= reorder_point:
            return Decimal(0)
        return original(method, position, reorder_point, order_quantity, maximum)

    replace(replenishment, "needed", later)
