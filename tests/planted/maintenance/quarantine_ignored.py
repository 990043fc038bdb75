"""A reading that is not plausible counts like any other."""

from typing import Any

from services.maintenance.model.meter import Log
from tests.planted.planting import replace

RULE = "MNT-45"


def plant() -> None:
    def put(self: Any, reading: Any) -> None:
        self.accept(reading)

    replace(Log, "put", put)
