"""An order closes although goods wait for a decision."""

from typing import Any

from services.procurement.model.purchase_order import PurchaseOrder
from tests.planted.planting import replace

RULE = "PRC-158"


def plant() -> None:
    def done(self: Any) -> bool:
        return all(line.open_quantity == 0 for line in self.lines)

    replace(PurchaseOrder, "done", property(done))
