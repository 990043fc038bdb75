"""What goes back of a line beside the stock is told with the sign of what comes."""

from typing import Any

from services.materials.model import receipt
from tests.planted.planting import replace

RULE = "MAT-102"


def plant() -> None:
    original: Any

    def _direct_lines(message: Any, lines: Any, final: Any = ()) -> None:
        original(message, lines, final)
        for row in message.lines:
            row.order_quantity.value = row.order_quantity.value.lstrip("-")

    original = replace(receipt, "_direct_lines", _direct_lines)
