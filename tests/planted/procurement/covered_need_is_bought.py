"""What somebody else supplies is bought all the same."""

from typing import Any

from services.procurement.model import needs
from tests.planted.planting import replace

RULE = "PRC-55"


def plant() -> None:
    async def nothing(unit: Any, source: Any) -> None:
        return None

    replace(needs, "covered", nothing)
