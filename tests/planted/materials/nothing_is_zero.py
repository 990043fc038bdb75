"""A measure without data is 0."""

from decimal import Decimal

from services.materials.rules import measures
from tests.planted.planting import replace

RULE = "MAT-330"


def plant() -> None:
    def value(self: measures.Value) -> Decimal:
        return self.numerator / self.denominator if self.denominator else Decimal(0)

    replace(measures.Value, "value", property(value))
