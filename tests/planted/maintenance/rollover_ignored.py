"""A counter that has begun anew counts from zero: what was left before the rollover is lost."""

from typing import Any

from services.maintenance.rules import usage
from tests.planted.planting import replace

RULE = "MNT-44"


def plant() -> None:
    original = usage.step

    def short(meter: Any, before: Any, after: Any) -> Any:
        last = meter.initial_value if before is None else before.value
        if meter.rollover is not None and last > after.value:
            return usage.Step(after.value)
        return original(meter, before, after)

    replace(usage, "step", short)
