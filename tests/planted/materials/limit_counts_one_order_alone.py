"""The limit of work in process counts the units of the order that is staged for, not those of all at the line."""

from decimal import Decimal
from typing import Any

from services.materials.api import production_stock
from tests.planted.planting import replace

RULE = "MAT-128"


def plant() -> None:
    def line_units(order: Any, step: Any, known: Any) -> Decimal:
        found: Decimal = order.in_process(step.operation)
        return found

    replace(production_stock, "line_units", line_units)
