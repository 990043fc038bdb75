"""A recall holds the lot alone, not what was made of it."""

from typing import Any

from services.materials.model import holding
from tests.planted.planting import replace

RULE = "MAT-138"


def plant() -> None:
    before = holding.place

    async def place(unit: Any, hold: Any) -> Any:
        hold.include_descendants = False
        return await before(unit, hold)

    replace(holding, "place", place)
