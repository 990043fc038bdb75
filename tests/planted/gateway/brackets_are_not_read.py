"""The form with application identifiers in brackets is not read."""

from gateway import gs1
from tests.planted.planting import replace

RULE = "MAT-250"


def plant() -> None:
    replace(gs1, "_bracketed", lambda text: ())
