"""A gain brings a serial back that was issued and not lost."""

from typing import Any

from services.materials.api import postings
from services.materials.model.movement import MovementKind
from tests.planted.planting import replace

RULE = "MAT-16"


def plant() -> None:
    async def lost(unit: Any, names: set[str]) -> dict[str, MovementKind]:
        return dict.fromkeys(names, MovementKind.ADJUST)

    replace(postings, "_kinds", lost)
