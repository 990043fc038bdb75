"""What an alternate lost is nobody's demand any more."""

from typing import Any

from services.materials.model import substituting
from tests.planted.planting import replace

RULE = "MAT-10"


def plant() -> None:
    async def settle(*_: Any, **__: Any) -> None:
        return None

    replace(substituting, "settle", settle)
