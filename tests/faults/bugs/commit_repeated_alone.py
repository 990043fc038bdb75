"""After a lost connection the COMMIT alone is repeated, on a connection that has nothing to commit."""

import asyncio
from typing import Any

from services.chassis.command import Commands
from services.chassis.db import DRIVER_ERRORS, LOST, sqlstate
from tests.planted.planting import replace


def plant() -> None:
    async def commit(self: Any, session: Any) -> None:
        try:
            await asyncio.shield(session.commit())
        except DRIVER_ERRORS as error:
            if not sqlstate(error).startswith(LOST):
                raise
            await session.rollback()
            await session.commit()

    replace(Commands, "commit", commit)
