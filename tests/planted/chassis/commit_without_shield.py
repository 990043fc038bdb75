"""A deadline that passes during the commit breaks it off."""

from typing import Any

from services.chassis.command import Commands
from tests.planted.planting import replace

RULE = "REL-74"


def plant() -> None:
    async def bare(self: Any, session: Any) -> None:
        await session.commit()

    replace(Commands, "commit", bare)
