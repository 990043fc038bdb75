"""An order of which all has come stays open."""

from typing import Any

from services.procurement.model import buying
from tests.planted.planting import replace

RULE = "PRC-126"


def plant() -> None:
    async def nothing(unit: Any, order: Any) -> None:
        return None

    replace(buying, "close_if_done", nothing)
