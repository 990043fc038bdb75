"""The position does not count open demand."""

from typing import Any

from services.materials.rules.replenishment import Position
from tests.planted.planting import replace

RULE = "MAT-164"


def plant() -> None:
    def total(self: Any) -> Any:
        return self.on_hand + self.inspection + self.requested + self.ordered

    replace(Position, "total", property(total))
