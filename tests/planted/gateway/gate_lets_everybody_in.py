"""The gateway's places have no end."""

from typing import Any

from gateway.gate import Gate
from tests.planted.planting import replace

RULE = "REL-76"


def plant() -> None:
    async def call(self: Any, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    replace(Gate, "__call__", call)
    replace(Gate, "early", lambda self, path, given: None)
