"""A unit may be put into one that it holds."""

from typing import Any

from services.materials.model import handling_unit
from tests.planted.planting import replace

RULE = "MAT-20"


def plant() -> None:
    def anywhere(row: Any, outer: Any, path: Any, below: Any) -> None:
        row.put_into(outer)

    replace(handling_unit, "nest", anywhere)
