"""A key with a wrong check digit is accepted."""

from gateway import gs1
from tests.planted.planting import replace

RULE = "MAT-255"


def plant() -> None:
    replace(gs1, "_CHECKED", frozenset())
