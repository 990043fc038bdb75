"""The task of a line beside the stock is confirmed by any label."""

from typing import Any

from services.materials.api import task_scans
from tests.planted.planting import replace

RULE = "MAT-102"


def plant() -> None:
    original: Any

    def _goods(task: Any, scan: Any, skipped: Any, row: Any) -> None:
        if row is None:
            original(task, scan, skipped, row)

    original = replace(task_scans, "_goods", _goods)
