"""Stock that comes goes to the oldest claim, whatever its priority."""

from typing import Any

from services.materials.model import allocating
from tests.planted.planting import replace

RULE = "MAT-78"


def plant() -> None:
    original = allocating.waiting

    async def by_age(unit: Any, site: str, items: Any) -> Any:
        return sorted(await original(unit, site, items), key=lambda row: (row.item, row.create_time))

    replace(allocating, "waiting", by_age)
