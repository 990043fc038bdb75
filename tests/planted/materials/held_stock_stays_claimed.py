"""A hold leaves the claims on what it matches."""

from typing import Any

from services.materials.model import holding
from tests.planted.planting import replace

RULE = "MAT-64"


def plant() -> None:
    async def nothing(unit: Any, site: str, balances: Any, cause: str) -> list[Any]:
        return []

    replace(holding, "break_claims", nothing, everywhere=False)
