"""The request id is claimed and committed before the command."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.idempotency import Ledger
from tests.planted.planting import replace

RULE = "REL-62"


def plant() -> None:
    original = vars(Ledger)["claim"]

    async def claimed(self: Any, keys: Any) -> Any:
        async with AsyncSession(self.session.bind) as session:
            found = await original(Ledger(session, self.principal, self.method), keys)
            await session.commit()
        return found

    replace(Ledger, "claim", claimed)
