"""A demand between two steps is claimed with less than it needs."""

from services.materials.rules import units
from tests.planted.planting import replace

RULE = "MAT-5"


def plant() -> None:
    replace(units, "up", units.down)
