"""A request counts on although its production order is released."""

from typing import Any

from services.materials.model import supplying
from tests.planted.planting import replace

RULE = "MAT-167"


def plant() -> None:
    async def nothing(unit: Any, name: str) -> None:
        return None

    replace(supplying, "bring", nothing)
