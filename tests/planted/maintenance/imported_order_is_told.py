"""An imported order is told like a new one."""

from typing import Any

from services.maintenance.model import takeover
from tests.planted.planting import replace

RULE = "MNT-345"


def plant() -> None:
    original = takeover._order

    async def told(unit: Any, found: Any, part: Any) -> None:
        made = []

        def noted(*given: Any) -> Any:
            made.append(original(*given))
            return made[-1]

        replace(takeover, "_order", noted)
        await take(unit, found, part)
        for order in made:
            unit.emit(order.created(), correlation=order.name)

    take = replace(takeover, "take", told)
