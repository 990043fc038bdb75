"""A shipment leaves although some of it was not brought to where it is loaded."""

from typing import Any

from services.materials.model import ship_tasks
from tests.planted.planting import replace

RULE = "MAT-106"


def plant() -> None:
    async def done(unit: Any, row: Any) -> None:
        return None

    replace(ship_tasks, "done", done)
