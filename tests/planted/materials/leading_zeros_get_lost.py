"""Leading zeros of codes get lost on the way in."""

from typing import Any

from services.materials.api import sheets_columns
from tests.planted.planting import replace

RULE = "MAT-320"


def plant() -> None:
    put = sheets_columns._put

    def as_number(message: Any, descriptor: Any, cell: str) -> None:
        put(message, descriptor, cell.lstrip("0") or cell)

    replace(sheets_columns, "_put", as_number)
