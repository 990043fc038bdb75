"""An event that can never be applied leaves no dead letter."""

from typing import Any

from services.chassis import dead_letter
from tests.planted.planting import replace

RULE = "REL-42"


def plant() -> None:
    async def nothing(*_: Any, **__: Any) -> None:
        return None

    replace(dead_letter, "park", nothing)
