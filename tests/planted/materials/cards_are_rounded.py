"""The number of cards is rounded, not brought up."""

from decimal import Decimal

from services.materials.rules import safety_stock
from tests.planted.planting import replace

RULE = "MAT-170"


def plant() -> None:
    def nearest(mean: Decimal, lead_time: Decimal, safety: Decimal, container: Decimal) -> int:
        return round(mean * lead_time * (1 + safety) / container)

    replace(safety_stock, "cards", nearest)
