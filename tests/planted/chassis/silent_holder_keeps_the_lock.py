"""A holder that gives no sign keeps its session."""

from typing import Any

from services.chassis.relay import Relay
from tests.planted.planting import replace

RULE = "REL-8"


def plant() -> None:
    async def nothing(self: Any, connection: Any) -> None:
        return None

    replace(Relay, "_end_silent_holder", nothing)
