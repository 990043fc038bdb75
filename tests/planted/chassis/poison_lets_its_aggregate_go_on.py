"""An event that was put aside counts as applied, so that later ones pass it."""

from typing import Any

from services.chassis.consumer import Consumer
from services.chassis.inbox import _ADVANCE, _BEGIN
from tests.planted.planting import replace

RULE = "REL-43"


def plant() -> None:
    original = vars(Consumer)["_park"]

    async def passed(self: Any, envelope: Any, payload: bytes, error: Exception, attempts: int, kind: str) -> None:
        await original(self, envelope, payload, error, attempts, kind)
        key = {"consumer": self.inbox.consumer, "aggregate": envelope.aggregate}
        async with self.sessions() as session:
            await session.execute(_BEGIN, key)
            await session.execute(_ADVANCE, {**key, "version": envelope.version})
            await session.commit()

    replace(Consumer, "_park", passed)
