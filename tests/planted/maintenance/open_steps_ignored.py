"""An order is completed with mandatory steps open."""

from typing import Any

from services.maintenance.model.work_order import WorkOrder
from tests.planted.planting import replace

RULE = "MNT-157"


def plant() -> None:
    def none_open(self: Any) -> list[str]:
        return []

    replace(WorkOrder, "open_steps", property(none_open))
