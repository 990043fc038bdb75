"""A unit whose turn has not come waits with its transaction open."""

from services.chassis import turns
from tests.planted.planting import replace

RULE = "PERF-2"


def plant() -> None:
    replace(turns.Turns, "free", lambda self, keys: True)
