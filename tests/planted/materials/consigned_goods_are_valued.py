"""A change of owner keeps the goods without value."""

from decimal import Decimal
from typing import Any

from services.materials.api import owner_change
from tests.planted.planting import replace

RULE = "MAT-184"


def plant() -> None:
    def nothing(request: Any, currency: str, digits: int) -> Decimal:
        original(request, currency, digits)
        return Decimal(0)

    original = replace(owner_change, "_value", nothing)
