"""A receipt that was taken back still counts."""

from typing import Any

from services.procurement.model import progress
from tests.planted.planting import replace

RULE = "PRC-161"


def plant() -> None:
    async def nothing(unit: Any, receipt: str, lines: Any) -> None:
        return None

    replace(progress, "unwind", nothing)
