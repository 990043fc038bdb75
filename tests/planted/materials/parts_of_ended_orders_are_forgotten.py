"""Nobody is asked about what lies there for a work order that ended."""

from typing import Any

from services.materials.model import direct_line
from tests.planted.planting import replace

RULE = "MAT-102"


def plant() -> None:
    async def end(unit: Any, work_order: str, why: str) -> None:
        return None

    replace(direct_line, "end", end)
