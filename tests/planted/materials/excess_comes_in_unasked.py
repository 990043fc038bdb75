"""Goods beyond the limit may be used at once."""

from typing import Any

from services.materials.api.receipt_orders import Part
from services.materials.model.movement import Status
from tests.planted.planting import replace

RULE = "MAT-96"


def plant() -> None:
    def status(self: Any, item: Any) -> Status:
        return Status.UNRESTRICTED

    replace(Part, "status", status)
