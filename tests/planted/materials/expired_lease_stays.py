"""A lease that ran out keeps others away."""

from typing import Any

from services.materials.model import task
from tests.planted.planting import replace

RULE = "MAT-105"


def plant() -> None:
    async def nothing(unit: Any) -> int:
        return 0

    replace(task, "open_expired", nothing)
