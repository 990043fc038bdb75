"""A command without request id is repeated after a lost connection."""

from typing import Any

from services.chassis.command import Commands
from tests.planted.planting import replace

RULE = "REL-52"


def plant() -> None:
    original = vars(Commands)["retried"]

    async def trusting(self: Any, ends: Any, once: Any, *, safe: bool, request: Any = None) -> Any:
        return await original(self, ends, once, safe=True, request=request)

    replace(Commands, "retried", trusting)
