"""Who counts goods in blind sees how much there should be."""

from typing import Any

from services.materials.api import receiving
from tests.planted.planting import replace

RULE = "MAT-96"


def plant() -> None:
    async def blind_at(unit: Any, sites: Any) -> frozenset[str]:
        return frozenset()

    replace(receiving, "blind_at", blind_at)
