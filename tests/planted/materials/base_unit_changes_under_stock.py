"""What stock is kept in may change although there is some."""

from typing import Any

from services.materials.api import items
from tests.planted.planting import replace

RULE = "MAT-10"


def plant() -> None:
    async def nothing(*given: Any) -> None:
        return None

    replace(items, "_refuse_in_use", nothing)
