"""More than the order's limit is counted in."""

from dataclasses import replace as changed
from decimal import Decimal
from typing import Any

from services.materials.model.receipt import ExpectedReceipt
from services.materials.rules.receiving import Room
from tests.planted.planting import replace

RULE = "MAT-96"


def plant() -> None:
    original = ExpectedReceipt.left

    def left(self: ExpectedReceipt, step: Decimal) -> Room:
        return changed(original(self, step), accepted=Decimal(10**9))

    def room(self: Any, more: Any) -> bool:
        return True

    replace(ExpectedReceipt, "left", left)
    replace(ExpectedReceipt, "room", room)
