"""Later events of an aggregate are published although an earlier one failed."""

from typing import Any

from services.chassis.relay import Relay
from tests.planted.planting import replace

RULE = "REL-10"


def plant() -> None:
    async def publish(self: Any, nc: Any, rows: Any) -> set[int]:
        if len(rows) > 1 and await self._atomic(nc, rows):
            return {row["pos"] for row in rows}
        return {row["pos"] for row in rows if await self._single(nc, row)}

    replace(Relay, "_publish", publish)
