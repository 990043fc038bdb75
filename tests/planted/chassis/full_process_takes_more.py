"""A process that is full takes still more calls."""

from typing import Any

from services.chassis.admission import Admission
from tests.planted.planting import replace

RULE = "REL-76"


def plant() -> None:
    def enter(self: Any, left: float | None) -> None:
        self.inside += 1

    replace(Admission, "enter", enter)
