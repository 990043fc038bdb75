"""Every replica publishes: each takes rows that no other has (as with SKIP LOCKED), and one is slower."""

import asyncio
from typing import Any

import asyncpg

from services.chassis.relay import LOCK, Relay
from tests.planted.planting import replace


def plant() -> None:
    published = vars(Relay)["_part"]

    async def session(self: Any) -> None:
        connection = await asyncpg.connect(self.url, timeout=5)
        try:
            self.share = int(not await connection.fetchval("select pg_try_advisory_lock($1, $2)", LOCK, 77))
            self.leading = True
            await self._lead(connection)
        finally:
            self.leading = False
            await connection.close(timeout=2)

    async def part(self: Any, nc: Any, rows: Any) -> Any:
        mine = [row for row in rows if row["pos"] % 2 == self.share]
        if mine and self.share:
            await asyncio.sleep(0.5)
        return await published(self, nc, mine)

    replace(Relay, "_session", session)
    replace(Relay, "_part", part)
