"""An asset is decommissioned above its children."""

from typing import Any

from services.maintenance.model import asset as assets
from tests.planted.planting import replace

RULE = "MNT-22"


def plant() -> None:
    async def nothing(unit: Any, asset: Any) -> None:
        return None

    replace(assets, "refuse_children", nothing)
