"""An issue does not look how much is allocated."""

from typing import Any

from services.materials.api import reservations
from tests.planted.planting import replace

RULE = "MAT-79"


def plant() -> None:
    replace(reservations, "_allocation", lambda row, request, amount: _first(row))


def _first(row: Any) -> Any:
    return row.allocations[0]
