"""Many rows are locked one by one in the order in which they were named."""

from typing import Any

from services.chassis.unit import Unit
from tests.planted.planting import replace

RULE = "REL-51"


def plant() -> None:
    async def one_by_one(self: Any, model: Any, names: Any, *, lock: bool | None = None) -> dict[str, Any]:
        found = {}
        for name in names:
            row = await self.find(model, name, lock=lock)
            if row is not None:
                found[name] = row
        return found

    replace(Unit, "get_many", one_by_one)
