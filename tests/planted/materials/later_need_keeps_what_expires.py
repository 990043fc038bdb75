"""A need that moves keeps stock which expires before it."""

from functools import wraps
from typing import Any

from services.chassis.wire import python_of
from services.materials import listeners
from tests.planted.planting import replace

RULE = "MAT-88"


def plant() -> None:
    @wraps(listeners.move_need)
    async def moved(event: Any, unit: Any) -> None:
        for row in await listeners._of(unit, event.work_order):
            row.need_time = python_of(event.planned_start_time)

    replace(listeners, "move_need", moved)
