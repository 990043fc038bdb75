"""Work that was not done satisfies what fell due."""

from typing import Any

from services.maintenance.model.work_order import WorkOrder
from tests.planted.planting import replace

RULE = "MNT-154"


def plant() -> None:
    def satisfies(self: Any) -> bool:
        return True

    replace(WorkOrder, "satisfies", property(satisfies))
