"""A gateway that drains resets the connections that the kernel has taken for it."""

from typing import Any

from gateway.serve import Server
from tests.planted.planting import replace

RULE = "OPS-17"


def plant() -> None:
    async def shut(self: Any) -> None:
        for server in self._uvicorn.servers:
            server.close()
        self._listener.close()

    replace(Server, "_shut", shut)
