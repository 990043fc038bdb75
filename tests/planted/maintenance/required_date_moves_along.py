"""Rescheduling moves the required date."""

from typing import Any

from services.maintenance.model.work_order import WorkOrder
from tests.planted.planting import replace

RULE = "MNT-128"


def plant() -> None:
    original = vars(WorkOrder)["reschedule"]

    def moved(self: Any, start: Any, finish: Any, reason: str, by: str, at: Any) -> Any:
        self.required_date = finish.date()
        return original(self, start, finish, reason, by, at)

    replace(WorkOrder, "reschedule", moved)
