"""A gateway that drains closes what is idle without a word."""

from typing import Any

from gateway.serve import Server
from tests.planted.planting import replace

RULE = "OPS-17"


def plant() -> None:
    async def at_once(self: Any) -> None:
        return

    replace(Server, "_last_requests", at_once)
