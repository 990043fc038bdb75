"""The caller's time is not passed on to the service."""

from typing import Any

from gateway.upstream import Upstream
from tests.planted.planting import replace

RULE = "REL-73"


def plant() -> None:
    original = vars(Upstream)["unary"]

    async def patient(self: Any, route: Any, request: Any, metadata: Any, seconds: float) -> Any:
        return await original(self, route, request, metadata, 30.0)

    replace(Upstream, "unary", patient)
