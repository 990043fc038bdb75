"""Stock that reservations hold leaves with a transfer or shipment, and their claims with it."""

from typing import Any

from services.materials.model import goods
from tests.planted.planting import replace

RULE = "MAT-111"


def plant() -> None:
    async def whatever(unit: Any, site: str, document: str, lines: Any) -> None:
        return None

    replace(goods, "refuse_claimed", whatever)
