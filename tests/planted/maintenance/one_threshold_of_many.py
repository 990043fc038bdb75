"""A reading over several thresholds makes one falling due."""

from typing import Any

from services.maintenance.rules import due
from tests.planted.planting import replace

RULE = "MNT-53"


def plant() -> None:
    original = due.meter_crossed

    def one(anchor: Any, interval: Any, next_number: int, usage: Any, lead: Any, most: int = 1000) -> Any:
        found, number = original(anchor, interval, next_number, usage, lead, most)
        return found[:1], number

    replace(due, "meter_crossed", one)
