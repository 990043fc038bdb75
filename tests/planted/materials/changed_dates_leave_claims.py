"""A lot that now expires before the need stays allocated."""

from typing import Any

from services.materials.api import lots
from tests.planted.planting import replace

RULE = "MAT-13"


def plant() -> None:
    async def nothing(unit: Any, site: str, lot: Any) -> None:
        return None

    replace(lots, "_serve_anew", nothing)
