"""Rows are read without a lock and written without a look at their version."""

from typing import Any

from services.chassis.resource import ResourceColumns
from services.chassis.unit import Unit
from tests.planted.planting import replace

RULE = "REL-49"


def plant() -> None:
    original = vars(Unit)["find"]

    async def unlocked(self: Any, model: Any, name: str, *, lock: bool | None = None) -> Any:
        return await original(self, model, name, lock=False)

    replace(Unit, "find", unlocked)
    replace(ResourceColumns, "__mapper_args__", {})
