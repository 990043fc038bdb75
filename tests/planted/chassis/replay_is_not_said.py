"""A stored answer is not marked as a replay."""

from typing import Any

from services.chassis.command import Commands, Reply
from tests.planted.planting import replace

RULE = "REL-60"


def plant() -> None:
    original = vars(Commands)["_answer"]

    async def silent(self: Any, unit: Any, method: Any, request: Any, body: Any) -> Reply:
        return Reply((await original(self, unit, method, request, body)).message)

    replace(Commands, "_answer", silent)
