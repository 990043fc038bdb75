"""A serial comes back by a line that it did not leave by."""

from decimal import Decimal
from typing import Any

from services.materials.model.shipment import ShipmentLine
from tests.planted.planting import replace

RULE = "MAT-16"


def plant() -> None:
    def bring_back(self: Any, amount: Decimal, second: Any, serials: Any, digits: int) -> Decimal:
        return Decimal(original(self, amount, second, [], digits))

    original = replace(ShipmentLine, "bring_back", bring_back)
