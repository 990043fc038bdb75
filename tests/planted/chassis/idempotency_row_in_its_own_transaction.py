"""The request id is claimed and committed before the command."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.idempotency import Ledgers
from tests.planted.planting import replace

RULE = "REL-62"


def plant() -> None:
    original = vars(Ledgers)["claim"]

    async def claimed(self: Any, hashes: Any) -> Any:
        async with AsyncSession(self.session.bind) as session:
            found = await original(Ledgers(session, self.method), hashes)
            await session.commit()
        return found

    replace(Ledgers, "claim", claimed)
