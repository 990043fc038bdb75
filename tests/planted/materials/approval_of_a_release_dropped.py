"""Blocked stock is set free by whoever may read."""

from services.materials.api import postings
from tests.planted.planting import replace

RULE = "MAT-61"


def plant() -> None:
    replace(postings, "APPROVE", "materials.movements.read")
