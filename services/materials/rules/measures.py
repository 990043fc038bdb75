"""Key figures (section 7): no data gives no value, never 0 or 100."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

SHOWN = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Value:
    """A measure with how it came about; `value` is None when the denominator is empty."""

    numerator: Decimal
    denominator: Decimal

    @property
    def value(self) -> Decimal | None:
        """numerator / denominator, six decimals, half to even."""
        if self.denominator == 0:
            return None
        return (self.numerator / self.denominator).quantize(SHOWN, ROUND_HALF_EVEN)
