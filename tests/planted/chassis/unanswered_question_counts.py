"""An owner that did not answer is not asked again."""

from typing import Any

from services.chassis import catching_up
from tests.planted.planting import replace

RULE = "REL-92"


def plant() -> None:
    original = vars(catching_up)["_asked"]

    async def content(*given: Any) -> bool:
        await original(*given)
        return True

    replace(catching_up, "_asked", content)
