"""A split gives what does not divide to the last part."""

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from services.materials.rules import units
from tests.planted.planting import replace

RULE = "MAT-5"


def plant() -> None:
    def split(total: Decimal, ratios: Sequence[Decimal | int], step: Decimal) -> list[Decimal]:
        whole = Fraction(sum(Fraction(ratio) for ratio in ratios))
        parts = [math.floor(Fraction(total) * Fraction(ratio) / whole / Fraction(step)) * step for ratio in ratios]
        return [*parts[:-1], total - sum(parts[:-1], Decimal(0))]

    replace(units, "split", split)
