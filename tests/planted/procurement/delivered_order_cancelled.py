"""An order of which something has come is cancelled."""

from typing import Any

from services.procurement.model.purchase_order import PurchaseOrder
from tests.planted.planting import replace

RULE = "PRC-125"


def plant() -> None:
    original = vars(PurchaseOrder)["cancel"]

    def blind(self: Any, reason: str) -> Any:
        for line in self.lines:
            line.received = line.received * 0
        return original(self, reason)

    replace(PurchaseOrder, "cancel", blind)
