"""A batch that the broker refused counts as published."""

from typing import Any

from services.chassis.publisher import Publisher
from tests.planted.planting import replace

RULE = "REL-9"


def plant() -> None:
    original = vars(Publisher)["_atomic"]

    async def blind(self: Any, nc: Any, rows: Any) -> set[int]:
        await original(self, nc, rows)
        return {row["pos"] for row in rows}

    replace(Publisher, "_atomic", blind)
