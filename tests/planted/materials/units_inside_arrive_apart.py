"""Units inside another come to the other site beside it."""

from typing import Any

from services.materials.model.transfer_unit import TransferUnit
from tests.planted.planting import replace

RULE = "MAT-20"


def plant() -> None:
    right = TransferUnit.of

    def of(transfer: str, row: Any, outer: str) -> Any:
        told = right(transfer, row, outer)
        told.parent_handling_unit = ""
        return told

    replace(TransferUnit, "of", of)
