"""An order that is changed keeps its approval."""

from typing import Any

from services.procurement.model.purchase_order import PurchaseOrder, State
from tests.planted.planting import replace

RULE = "PRC-75"


def plant() -> None:
    def withdraw(self: Any, reason: str) -> None:
        self.move(State.DRAFT)

    replace(PurchaseOrder, "withdraw", withdraw)
