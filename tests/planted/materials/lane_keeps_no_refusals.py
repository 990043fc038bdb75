"""A refusal in a lane is not kept with its request id."""

from services.chassis import lanes
from tests.planted.planting import replace

RULE = "PERF-2"


def plant() -> None:
    replace(lanes, "STORED_CODES", frozenset(), everywhere=False)
