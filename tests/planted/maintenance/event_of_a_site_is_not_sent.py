"""A new site is not told."""

from typing import Any

from services.chassis.unit import Unit
from tests.planted.planting import replace

RULE = "MNT-207"


def plant() -> None:
    original = vars(Unit)["emit"]

    def silent(self: Any, *events: Any, **more: Any) -> None:
        original(self, *(event for event in events if event.DESCRIPTOR.name != "SiteChanged"), **more)

    replace(Unit, "emit", silent)
