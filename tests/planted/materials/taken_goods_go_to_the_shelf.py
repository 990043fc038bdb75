"""Goods that somebody waits for are put away like others."""

from collections.abc import Sequence
from typing import Any

from services.materials.model import cross_docking
from tests.planted.planting import replace

RULE = "MAT-101"


def plant() -> None:
    async def nothing(unit: Any, site: str, put_aways: Sequence[Any]) -> None:
        return None

    replace(cross_docking, "divert", nothing)
