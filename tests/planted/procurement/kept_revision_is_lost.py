"""What is in force after issue is not kept."""

from typing import Any

from services.procurement.model import buying
from tests.planted.planting import replace

RULE = "PRC-121"


def plant() -> None:
    async def unkept(unit: Any, order: Any) -> None:
        _, event = order.in_force(unit.now)
        buying.tell(unit, order, event)

    replace(buying, "put_in_force", unkept)
