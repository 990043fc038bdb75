"""Who read a meter releases the reading from quarantine."""

from typing import Any

from services.maintenance.model.meter import Reading, State
from tests.planted.planting import replace

RULE = "MNT-50"


def plant() -> None:
    def release(self: Any, by: str, reason: str) -> Any:
        self.move(State.ACCEPTED)
        self.reason = reason
        return self

    replace(Reading, "release", release)
