"""The message id is made when an event is published, not when it is written."""

import json
from typing import Any
from uuid import uuid4

from services.chassis.publisher import Publisher
from tests.planted.planting import replace

RULE = "REL-9"


def plant() -> None:
    original = vars(Publisher)["publish"]

    async def renamed(self: Any, nc: Any, rows: Any) -> Any:
        fresh = [
            {**row, "headers": json.dumps({**json.loads(row["headers"]), "Nats-Msg-Id": str(uuid4())})} for row in rows
        ]
        return await original(self, nc, fresh)

    replace(Publisher, "publish", renamed)
