"""The lock is not asked for: every process publishes."""

from typing import Any

import asyncpg

from services.chassis.relay import Relay
from tests.planted.planting import replace

RULE = "REL-7"


def plant() -> None:
    async def session(self: Any) -> None:
        connection = await asyncpg.connect(self.url, timeout=5)
        try:
            self.leading = True
            await self._lead(connection)
        finally:
            self.leading = False
            await connection.close(timeout=2)

    replace(Relay, "_session", session)
