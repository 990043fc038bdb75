"""What an order had done stays done when it is opened again."""

from typing import Any

from services.maintenance.model import clocks
from tests.planted.planting import replace

RULE = "MNT-155"


def plant() -> None:
    async def nothing(unit: Any, order: Any) -> None:
        return None

    replace(clocks, "after_reopening", nothing)
