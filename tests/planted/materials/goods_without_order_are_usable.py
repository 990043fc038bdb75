"""Goods without an order come in like ordered ones."""

from typing import Any

from services.materials.api.receipt_orders import Part
from services.materials.model.movement import Status
from tests.planted.planting import replace

RULE = "MAT-97"


def plant() -> None:
    before = Part.status

    def status(self: Any, item: Any) -> Status:
        return Status.UNRESTRICTED if self.order is None else before(self, item)

    replace(Part, "status", status)
