"""An exercise holds stock as a recall does."""

from typing import Any

from services.materials.model import recalling
from tests.planted.planting import replace

RULE = "MAT-138"


def plant() -> None:
    before = recalling.mock

    async def mock(unit: Any, case: Any) -> None:
        await recalling.contain(unit, case)
        await before(unit, case)

    replace(recalling, "mock", mock)
