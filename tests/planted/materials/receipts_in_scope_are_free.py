"""What a supplier sends after the hold is not held."""

from typing import Any

from services.materials.model import holding
from tests.planted.planting import replace

RULE = "MAT-63"


def plant() -> None:
    async def nothing(unit: Any, receipt: Any) -> None:
        return None

    replace(holding, "catch", nothing)
