"""An announced unit that was received is awaited still."""

from typing import Any

from services.materials.model.expected_delivery import ExpectedDelivery
from tests.planted.planting import replace

RULE = "MAT-95"


def plant() -> None:
    def receive(self: Any, line: Any, receipt: str, quantity: Any) -> None:
        line.received = quantity

    replace(ExpectedDelivery, "receive", receive)
