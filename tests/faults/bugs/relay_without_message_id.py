"""The relay publishes without a message id, so that the broker takes a second publication for a new event."""

import json
from typing import Any

from services.chassis.publisher import Publisher
from tests.planted.planting import replace


def plant() -> None:
    original = vars(Publisher)["publish"]

    def bare(row: Any) -> dict[str, Any]:
        headers = json.loads(row["headers"])
        headers.pop("Nats-Msg-Id", None)
        return {**row, "headers": json.dumps(headers)}

    async def publish(self: Any, nc: Any, rows: Any) -> Any:
        return await original(self, nc, [bare(row) for row in rows])

    replace(Publisher, "publish", publish)
