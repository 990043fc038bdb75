"""A delivery is acknowledged before its effect is committed."""

from typing import Any

from services.chassis.consumer import Consumer
from tests.planted.planting import replace


def plant() -> None:
    original = vars(Consumer)["handle"]

    async def hasty(self: Any, message: Any) -> None:
        await message.ack_sync(timeout=5)
        await original(self, message)

    replace(Consumer, "handle", hasty)
