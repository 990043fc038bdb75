"""A message is acknowledged before its effect is committed."""

from typing import Any

from services.chassis.consumer import Consumer
from tests.planted.planting import replace

RULE = "REL-31"


def plant() -> None:
    original = vars(Consumer)["_handle"]

    async def early(self: Any, message: Any) -> None:
        await message.ack_sync(timeout=5)
        await original(self, message)

    replace(Consumer, "_handle", early)
