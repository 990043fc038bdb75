"""Versions that do not come are waited for and never asked for."""

from typing import Any

from services.chassis import gaps
from tests.planted.planting import replace

RULE = "REL-35"


def plant() -> None:
    async def nothing(open_unit: Any, inboxes: Any, nc: Any) -> None:
        return None

    replace(gaps, "close", nothing)
