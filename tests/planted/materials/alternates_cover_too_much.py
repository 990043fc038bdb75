"""A part of what is needed for one is taken for one."""

import math
from decimal import Decimal
from fractions import Fraction

from services.materials.rules.substitution import Ratio
from tests.planted.planting import replace

RULE = "MAT-10"


def plant() -> None:
    def covers(self: Ratio, amount: Decimal) -> Decimal:
        exact = Fraction(amount) * self.denominator / self.numerator
        return math.ceil(exact / Fraction(self.covered_step)) * self.covered_step

    replace(Ratio, "covers", covers)
