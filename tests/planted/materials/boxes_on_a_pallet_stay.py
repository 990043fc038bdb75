"""A pallet moves without the boxes on it."""

from typing import Any

from services.materials.model import content
from tests.planted.planting import replace

RULE = "MAT-21"


def plant() -> None:
    original = content.content

    async def loose_alone(unit: Any, site: str, units: Any, place: str) -> Any:
        return [row for row in await original(unit, site, units, place) if len(list(units)) < 3]

    replace(content, "content", loose_alone)
