"""A discarded dead letter goes on holding back what waits behind it."""

from typing import Any

from services.chassis.inbox import Inbox
from tests.planted.planting import replace

RULE = "REL-44"


def plant() -> None:
    async def nothing(self: Any, unit: Any, envelope: Any, *, past_gap: bool) -> int:
        return 0

    replace(Inbox, "skip", nothing)
