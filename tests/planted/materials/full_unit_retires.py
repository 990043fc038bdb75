"""A unit retires with what is in it."""

from typing import Any

from services.materials.model import content
from tests.planted.planting import replace

RULE = "MAT-22"


def plant() -> None:
    async def never(unit: Any, row: Any) -> None:
        return None

    replace(content, "refuse_filled", never)
