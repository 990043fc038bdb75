"""A due that meets an open order makes another one."""

from typing import Any

from services.maintenance.model import generation
from tests.planted.planting import replace

RULE = "MNT-123"


def plant() -> None:
    async def nothing(unit: Any, assignment: Any) -> None:
        return None

    replace(generation, "_open_order", nothing)
