"""An asset may contain itself."""

from typing import Any

from services.maintenance.model import asset as assets
from tests.planted.planting import replace

RULE = "MNT-20"


def plant() -> None:
    async def whatever(unit: Any, asset: Any) -> None:
        asset.parent_asset = asset.parent_asset or None

    replace(assets, "settle", whatever)
