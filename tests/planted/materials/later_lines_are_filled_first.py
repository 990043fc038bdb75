"""A delivery is spread over order lines from the latest on."""

from typing import Any

from services.materials.rules import receiving
from tests.planted.planting import replace

RULE = "MAT-96"


def plant() -> None:
    before = receiving.spread

    def spread(lines: Any, amount: Any) -> Any:
        parts, excess = before(lines[::-1], amount)
        return parts[::-1], excess

    replace(receiving, "spread", spread)
