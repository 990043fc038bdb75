"""A late reading is counted behind the newest one."""

from typing import Any

from services.maintenance.model.meter import Log
from tests.planted.planting import replace

RULE = "MNT-48"


def plant() -> None:
    def accept(self: Any, reading: Any) -> None:
        before = self.rows[-1] if self.rows else None
        reading.delta = reading.raw_value - (before.raw_value if before is not None else 0)
        reading.usage = self.meter.usage + reading.delta
        self.rows.append(reading)
        self.meter.usage = reading.usage
        self.meter.last_value, self.meter.last_measure_time = reading.raw_value, reading.measure_time

    replace(Log, "accept", accept)
