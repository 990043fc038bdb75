"""Key figures from recorded intervals and counts (section 7); no data gives no value, never 0 or 100."""

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


def mtbf(required_hours: Decimal, down_hours: Decimal, failures: int) -> Value:
    """Mean time between failures: operating time / functional failures (EN 15341, MNT-282)."""
    return Value(required_hours - down_hours, Decimal(failures))


def mttr(hours_to_restore: Decimal, failures: int) -> Value:
    """Mean time to restoration: time to restore / failures (MNT-284)."""
    return Value(hours_to_restore, Decimal(failures))


def pm_compliance(done_in_time: int, due: int) -> Value:
    """Percent of preventive work done by its required date, of all due in the period (SMRP, MNT-287)."""
    return Value(Decimal(100 * done_in_time), Decimal(due))
