"""A need that has ended stays a requisition."""

from typing import Any

from services.procurement.model import needs
from tests.planted.planting import replace

RULE = "PRC-59"


def plant() -> None:
    async def nothing(unit: Any, ended: Any) -> None:
        return None

    replace(needs, "end", nothing)
