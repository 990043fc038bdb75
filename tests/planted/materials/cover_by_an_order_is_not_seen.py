"""A shortage does not see the order that covers it."""

from typing import Any

from services.materials.model import stock
from tests.planted.planting import replace

RULE = "MAT-168"


def plant() -> None:
    async def nothing(unit: Any, site: str, rows: Any) -> dict[str, Any]:
        return {}

    replace(stock, "_expected", nothing)
