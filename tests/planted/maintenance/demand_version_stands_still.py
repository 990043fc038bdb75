"""An approval states its demands with the version of the one before."""

from typing import Any

from services.maintenance.model.work_order import WorkOrder
from tests.planted.planting import replace

RULE = "MNT-180"


def plant() -> None:
    original = vars(WorkOrder)["approve"]

    def same(self: Any, by: str, at: Any) -> Any:
        self.demand_version = 0
        return original(self, by, at)

    replace(WorkOrder, "approve", same)
