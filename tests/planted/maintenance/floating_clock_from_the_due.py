"""A floating clock counts from what fell due and not from the finish."""

from typing import Any

from services.maintenance.model import clocks
from tests.planted.planting import replace

RULE = "MNT-84"


def plant() -> None:
    async def nothing(unit: Any, order: Any) -> None:
        return None

    replace(clocks, "_floating", nothing)
