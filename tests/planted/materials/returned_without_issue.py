"""A lot that was never handed out comes back."""

from typing import Any

from services.materials.api import reservations
from tests.planted.planting import replace

RULE = "MAT-48"


def plant() -> None:
    async def whatever(unit: Any, row: Any, wanted: str, amount: Any) -> str:
        return wanted

    replace(reservations, "_issued_lot", whatever)
