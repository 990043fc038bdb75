"""A unit of work lasts as long as it likes."""

from services.chassis import command
from tests.planted.planting import replace

RULE = "REL-73"


def plant() -> None:
    async def begin(self: command.Commands, session: object, ends: float | None) -> object:
        return await original(self, session, None)

    original = replace(command.Commands, "begin", begin)
