"""A row that was imported before is imported again."""

from typing import Any
from uuid import uuid4

from services.maintenance.rules import csv_rows
from tests.planted.planting import replace

RULE = "MNT-344"


def plant() -> None:
    def fresh(values: Any, cells: Any, seen: Any) -> str:
        return uuid4().hex[:24]

    replace(csv_rows, "_key", fresh)
