"""A batch that the broker refused counts as published."""

from typing import Any

from services.chassis.relay import Relay
from tests.planted.planting import replace

RULE = "REL-9"


def plant() -> None:
    original = vars(Relay)["_atomic"]

    async def blind(self: Any, nc: Any, rows: Any) -> bool:
        await original(self, nc, rows)
        return True

    replace(Relay, "_atomic", blind)
