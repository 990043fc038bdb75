"""Events that waited behind a version are not applied when it comes."""

from typing import Any

from services.chassis.inbox import Inbox
from tests.planted.planting import replace

RULE = "REL-46"


def plant() -> None:
    async def forgotten(self: Any, unit: Any, aggregate: str, version: int) -> int:
        await self.advance(unit, aggregate, version)
        return 0

    replace(Inbox, "_what_waited", forgotten)
