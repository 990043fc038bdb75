"""A measure without data is 0."""

from decimal import Decimal

from services.materials.rules import measures
from tests.planted.planting import replace

RULE = "MAT-330"


def plant() -> None:
    def value(self: measures.Value) -> Decimal:
        found = self.numerator / self.denominator if self.denominator else Decimal(0)
        return found.quantize(measures.SHOWN)

    replace(measures.Value, "value", property(value))
