"""Work may end in the future."""

from typing import Any

from services.maintenance.model.work_order import WorkOrder
from tests.planted.planting import replace

RULE = "MNT-153"


def plant() -> None:
    def whenever(self: Any, name: str, value: Any, at: Any) -> None:
        return None

    replace(WorkOrder, "_not_future", whenever)
