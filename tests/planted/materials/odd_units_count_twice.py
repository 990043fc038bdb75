"""An odd number of units counts twice for what they used."""

from decimal import Decimal
from typing import Any

from services.materials.rules import backflush
from tests.planted.planting import replace

RULE = "MAT-122"


def plant() -> None:
    before = backflush.passed

    def passed(counts: Any, operation: int) -> Decimal:
        return before(counts, operation) * 2 if before(counts, operation) % 2 else before(counts, operation)

    replace(backflush, "passed", passed)
