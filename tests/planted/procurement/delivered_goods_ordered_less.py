"""A line is reduced below what has come."""

from typing import Any

from services.procurement.model.purchase_order import PurchaseOrder
from tests.planted.planting import replace

RULE = "PRC-124"


def plant() -> None:
    def less(self: Any, line: Any, wanted: Any, day: Any, by: Any) -> None:
        if wanted is not None:
            line.resize(wanted, line.unit_price)
        self._edited(by)

    replace(PurchaseOrder, "revise_issued", less)
