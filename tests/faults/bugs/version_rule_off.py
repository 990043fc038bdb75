"""Events are applied as they come, whatever their version."""

from typing import Any

from services.chassis.inbox import Inbox
from tests.planted.planting import replace


def plant() -> None:
    original = vars(Inbox)["last"]

    async def last(self: Any, unit: Any, aggregate: str) -> int:
        await original(self, unit, aggregate)
        return int(unit.event.version) - 1

    replace(Inbox, "last", last)
