"""Stock is taken along the path, whatever expires first."""

from services.materials.rules import allocation
from tests.planted.planting import replace

RULE = "MAT-85"


def plant() -> None:
    replace(allocation, "order", lambda candidates, *_: sorted(candidates, key=lambda row: (row.path, row.balance)))
