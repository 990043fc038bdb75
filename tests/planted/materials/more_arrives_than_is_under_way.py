"""More arrives of a line than is under way with it."""

from typing import Any

from services.materials.model.transfer import Part
from tests.planted.planting import replace

RULE = "MAT-111"


def plant() -> None:
    def check(self: Any, transfer: str) -> Any:
        self.quantity = min(self.quantity, self.line.open_quantity)
        return original(self, transfer)

    original = replace(Part, "check", check)
