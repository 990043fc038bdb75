"""Later events of an aggregate are published although an earlier one failed."""

from typing import Any

from services.chassis.publisher import Publisher
from tests.planted.planting import replace

RULE = "REL-10"


def plant() -> None:
    async def one_by_one(self: Any, nc: Any, rows: Any) -> set[int]:
        return {row["pos"] for row in rows if await self._single(nc, row)}

    replace(Publisher, "_one_by_one", one_by_one)
