"""The item's own place is proposed without a look at its room."""

from typing import Any

from services.materials.model import placing
from tests.planted.planting import replace

RULE = "MAT-100"


def plant() -> None:
    async def room(unit: Any, site: str, wanted: Any) -> list[None]:
        return [None for _ in wanted]

    replace(placing, "room", room)
