"""What was not found is allocated in the same bin again."""

from typing import Any

from services.materials.model import bins
from tests.planted.planting import replace

RULE = "MAT-107"


def plant() -> None:
    async def nothing(*given: Any) -> None:
        return None

    replace(bins, "lock", nothing)
