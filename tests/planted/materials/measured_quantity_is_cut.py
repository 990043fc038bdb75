"""What is measured is cut to the base step instead of rounded."""

from services.materials.rules import units
from tests.planted.planting import replace

RULE = "MAT-3"


def plant() -> None:
    replace(units, "nearest", lambda exact, step, rounding=None: units.down(exact, step))
