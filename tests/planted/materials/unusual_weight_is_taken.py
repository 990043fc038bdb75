"""A weight out of tolerance is posted without being confirmed."""

from services.materials.rules.catch_weight import CatchWeight
from tests.planted.planting import replace

RULE = "MAT-9"


def plant() -> None:
    replace(CatchWeight, "is_usual", lambda self, quantity, second: True)
