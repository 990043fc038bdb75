"""What was spoilt at an operation counts at all of them."""

from decimal import Decimal
from typing import Any

from services.materials.rules import backflush
from tests.planted.planting import replace

RULE = "MAT-122"


def plant() -> None:
    def passed(counts: Any, operation: int) -> Decimal:
        spoilt = sum((count.scrap for count in counts.values()), Decimal(0))
        return max((count.good for number, count in counts.items() if number >= operation), default=Decimal(0)) + spoilt

    replace(backflush, "passed", passed)
