"""A movement that is told again is booked again."""

from typing import Any
from uuid import uuid4

from services.maintenance.model.work_order import WorkOrder
from tests.planted.planting import replace

RULE = "MNT-260"


def plant() -> None:
    original = vars(WorkOrder)["book"]

    def again(self: Any, kind: Any, amount: Any, source: str, day: Any) -> None:
        original(self, kind, amount, f"{source}#{uuid4()}", day)

    replace(WorkOrder, "book", again)
