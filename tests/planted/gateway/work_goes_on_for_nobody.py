"""A call goes on when the client has left."""

from typing import Any

from gateway import api
from tests.planted.planting import replace

RULE = "REL-73"


def plant() -> None:
    async def blind(request: Any, work: Any) -> Any:
        return await work

    replace(api, "while_there", blind)
