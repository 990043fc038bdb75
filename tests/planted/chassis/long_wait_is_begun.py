"""A call begins to wait for what will take most of its time."""

from services.chassis import turns
from tests.planted.planting import replace

RULE = "PERF-2"


def plant() -> None:
    replace(turns.Turns, "expected", lambda self, keys: 0.0)
