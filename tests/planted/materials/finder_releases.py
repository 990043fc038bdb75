"""Who recorded a failure releases the hold on it."""

from typing import Any

from services.materials.model import holding
from tests.planted.planting import replace

RULE = "MAT-66"


def plant() -> None:
    async def nobody(unit: Any, hold: Any, groups: Any) -> set[str]:
        return set()

    replace(holding, "finders", nobody)
