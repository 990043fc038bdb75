"""One path leaves no audit record: readings."""

from typing import Any

from services.chassis.unit import Unit
from tests.planted.planting import replace


def plant() -> None:
    original = vars(Unit)["audit"]

    def silent(self: Any, name: str, *more: Any) -> None:
        if "/readings/" not in name:
            original(self, name, *more)

    replace(Unit, "audit", silent)
