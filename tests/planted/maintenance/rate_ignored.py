"""A gain that is faster than the meter can be is plausible."""

from dataclasses import replace as changed
from typing import Any

from services.maintenance.rules import usage
from tests.planted.planting import replace

RULE = "MNT-46"


def plant() -> None:
    original = usage.step

    def fast(meter: Any, before: Any, after: Any) -> Any:
        return original(changed(meter, max_rate=None), before, after)

    replace(usage, "step", fast)
