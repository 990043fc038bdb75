"""The order quantity is rounded down to the supplier's multiple."""

import math
from fractions import Fraction
from typing import Any

from services.procurement.rules import price
from tests.planted.planting import replace

RULE = "PRC-34"


def plant() -> None:
    def down(need: Any, minimum: Any, multiple: Any) -> Any:
        return max(1, math.floor(max(Fraction(need), Fraction(minimum)) / Fraction(multiple))) * multiple

    replace(price, "order_quantity", down)
