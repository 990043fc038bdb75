"""A consumer takes what its stream still holds for all that there was."""

from dataclasses import replace as changed
from typing import Any

from services.chassis import bus
from tests.planted.planting import replace

RULE = "REL-92"


def plant() -> None:
    original = bus.standing_of

    async def whole(nc: Any, stream: str) -> Any:
        found = await original(nc, stream)
        return found and changed(found, whole=True)

    replace(bus, "standing_of", whole)
