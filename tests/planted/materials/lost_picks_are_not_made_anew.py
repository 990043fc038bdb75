"""What takes the place of goods that were being picked is picked by nobody."""

from typing import Any

from services.materials.model import picking
from tests.planted.planting import replace

RULE = "MAT-77"


def plant() -> None:
    async def follow_anew(unit: Any, site: str, rows: Any, cause: str) -> None:
        await picking.follow(unit, site, [row.name for row in rows], cause)

    replace(picking, "follow_anew", follow_anew)
