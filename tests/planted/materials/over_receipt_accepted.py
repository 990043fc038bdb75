"""More than the order's limit is counted in."""

from typing import Any

from services.materials.model.receipt import ExpectedReceipt
from tests.planted.planting import replace

RULE = "MAT-96"


def plant() -> None:
    def room(self: Any, more: Any) -> bool:
        return True

    replace(ExpectedReceipt, "room", room)
