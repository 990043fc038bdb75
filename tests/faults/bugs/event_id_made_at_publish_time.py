"""The event gets its id when it is published, not when it is written."""

import json
from typing import Any

from services.chassis import clock
from services.chassis.publisher import Publisher
from tests.planted.planting import replace


def plant() -> None:
    original = vars(Publisher)["publish"]

    def renamed(row: Any) -> dict[str, Any]:
        fresh = str(clock.uuid7())
        return {**row, "headers": json.dumps({**json.loads(row["headers"]), "ce-id": fresh, "Nats-Msg-Id": fresh})}

    async def publish(self: Any, nc: Any, rows: Any) -> Any:
        return await original(self, nc, [renamed(row) for row in rows])

    replace(Publisher, "publish", publish)
