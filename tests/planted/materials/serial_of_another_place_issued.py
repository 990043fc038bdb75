"""A scanned serial of another place or lot takes the place of an allocated one."""

from typing import Any

from services.materials.model import serial_issue
from tests.planted.planting import replace

RULE = "MAT-79"


def plant() -> None:
    def fits(here: Any, old: Any, row: Any) -> bool:
        return bool(here.item == row.item)

    replace(serial_issue, "_replaces", fits)
