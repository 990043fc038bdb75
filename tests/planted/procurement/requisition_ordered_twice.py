"""A requisition is carried by two orders."""

from typing import Any

from services.procurement.model.requisition import Requisition, State
from tests.planted.planting import replace

RULE = "PRC-62"


def plant() -> None:
    def order(self: Any, purchase_order: str) -> None:
        if self.state is not State.CLOSED:
            self.move(State.CLOSED)
        self.purchase_order = purchase_order

    replace(Requisition, "order", order)
