"""A bare number of enough digits is taken for an element string."""

from gateway import gs1
from tests.planted.planting import replace

RULE = "MAT-250"


def plant() -> None:
    replace(gs1, "_looks_raw", lambda text: text.startswith("01"))
