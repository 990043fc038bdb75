"""Who may read work orders may start one without its parts."""

from services.maintenance.api import work_orders
from tests.planted.planting import replace

RULE = "MNT-160"


def plant() -> None:
    replace(work_orders, "OVERRIDE", "maintenance.workOrders.read")
