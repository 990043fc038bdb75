"""Nobody looks whether something of the order is still in process when it is closed."""

from typing import Any

from services.materials.api import production
from tests.planted.planting import replace

RULE = "MAT-121"


def plant() -> None:
    async def look(unit: Any, order: Any) -> None:
        return None

    replace(production, "_refuse_left", look)
