"""A stale etag is accepted."""

from typing import Any

from services.chassis.faults import ResourceNotFound
from services.chassis.unit import Unit
from tests.planted.planting import replace

RULE = "REL-67"


def plant() -> None:
    async def get(self: Any, model: Any, name: str, *, etag: str = "", lock: bool | None = None) -> Any:
        row = await self.find(model, name, lock=lock)
        if row is None:
            raise ResourceNotFound(resource=name)
        return row

    replace(Unit, "get", get)
