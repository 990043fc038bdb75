"""A structure may have itself among its components."""

from typing import Any

from services.materials.model import structure
from tests.planted.planting import replace

RULE = "MAT-130"


def plant() -> None:
    async def look(unit: Any, top: str, items: Any, from_date: Any) -> None:
        return None

    replace(structure, "refuse_circle", look)
