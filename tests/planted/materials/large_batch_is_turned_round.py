"""Movements of one item in a large batch are posted the last first."""

from collections.abc import Iterator
from typing import Any

from services.materials.api import batch_moves
from tests.planted.planting import replace

RULE = "MAT-50"


def plant() -> None:
    original = batch_moves._parts

    def turned(entries: Any) -> Iterator[Any]:
        for part in original(entries):
            yield dict(reversed(part.items()))

    replace(batch_moves, "_parts", turned)
