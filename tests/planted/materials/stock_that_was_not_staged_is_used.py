"""Stock is used that nobody staged for the order."""

from typing import Any

from services.materials.model import in_process
from tests.planted.planting import replace

RULE = "MAT-123"


def plant() -> None:
    before = in_process.own

    async def own(unit: Any, orders: Any) -> Any:
        found = await before(unit, orders)
        if not orders:
            return found
        items = {row.item for order in orders for row in order.components}
        free = await in_process.free(unit, orders[0].site, items)
        for source in free:
            source.project = orders[0].name
        return found + free

    replace(in_process, "own", own)
