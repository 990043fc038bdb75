"""Work that was not done is not due again."""

from typing import Any

from services.maintenance.model import generation
from tests.planted.planting import replace

RULE = "MNT-127"


def plant() -> None:
    async def nothing(unit: Any, assignment: Any) -> list[Any]:
        return []

    replace(generation, "_unmet", nothing)
