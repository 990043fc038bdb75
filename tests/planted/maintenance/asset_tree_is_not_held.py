"""Two units may change the tree of a site at once."""

from typing import Any

from services.maintenance.model import asset as assets
from tests.planted.planting import replace

RULE = "MNT-20"


def plant() -> None:
    async def nothing(unit: Any, site: str) -> None:
        return None

    replace(assets, "hold_tree", nothing)
