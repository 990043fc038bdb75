"""An issue does not look how much is allocated."""

from decimal import Decimal
from typing import Any

from services.materials.api import reservations
from tests.planted.planting import replace

RULE = "MAT-79"


def plant() -> None:
    async def anything(unit: Any, row: Any) -> Decimal:
        return Decimal(1000)

    replace(reservations, "_tolerance", anything)
