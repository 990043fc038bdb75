"""Who waited for an order that brings nothing goes on waiting for it."""

from typing import Any

from services.materials.model import stock
from tests.planted.planting import replace

RULE = "MAT-169"


def plant() -> None:
    async def nothing(unit: Any, site: str, items: Any, order: str, cause: str) -> None:
        return None

    replace(stock, "uncover", nothing)
