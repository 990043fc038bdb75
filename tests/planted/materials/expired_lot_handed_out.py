"""A lot is handed out after its last day."""

from typing import Any

from services.materials.api import reservations
from tests.planted.planting import replace

RULE = "MAT-86"


def plant() -> None:
    async def nothing(unit: Any, taken: Any, fact: Any) -> None:
        return None

    replace(reservations, "_refuse_expired", nothing)
