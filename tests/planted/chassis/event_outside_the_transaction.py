"""Events are written in a transaction of their own, before the command's commit."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis import outbox
from tests.planted.planting import replace

RULE = "REL-1"


def plant() -> None:
    original = outbox.write

    async def early(session: Any, service: str, rows: Any) -> None:
        async with AsyncSession(session.bind) as other:
            await original(other, service, rows)
            await other.commit()

    replace(outbox, "write", early)
