"""After a replay the layers are those of before."""

from collections.abc import Iterable
from typing import Any

from services.materials.model import layers
from tests.planted.planting import replace

RULE = "MAT-186"


def plant() -> None:
    async def keep(unit: Any, site: str, found: Iterable[Any]) -> None:
        return None

    replace(layers, "keep", keep)
