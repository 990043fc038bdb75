"""A claim on stock inside does not go along."""

from typing import Any

from services.materials.model import claims
from tests.planted.planting import replace

RULE = "MAT-21"


def plant() -> None:
    async def nothing(unit: Any, taken: Any) -> list[str]:
        return sorted({claim.reservation for claim in taken})

    replace(claims, "carry", nothing)
