"""Proposals for parameters of a policy: safety stock, reorder point, number of cards (MAT-165, MAT-170).

All times are in one unit of time, which the caller states. Formula of the safety stock: demand and lead time are
independent and normally distributed, SS = z * sqrt(L * sd^2 + d^2 * sL^2).
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal, localcontext

_EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Demand:
    """Mean demand for each unit of time, mean lead time in it, and their standard deviations."""

    mean: Decimal
    lead_time: Decimal
    deviation: Decimal = Decimal(0)
    lead_time_deviation: Decimal = Decimal(0)


def safety_stock(demand: Demand, factor: Decimal) -> Decimal:
    """Safety stock for a safety factor z, not rounded to a grid."""
    with localcontext(_EXACT):
        spread = demand.lead_time * demand.deviation**2 + demand.mean**2 * demand.lead_time_deviation**2
        return factor * spread.sqrt()


def reorder_point(demand: Demand, factor: Decimal) -> Decimal:
    """R = d * L + SS, not rounded to a grid."""
    with localcontext(_EXACT):
        return demand.mean * demand.lead_time + safety_stock(demand, factor)


def cards(mean: Decimal, lead_time: Decimal, safety: Decimal, container: Decimal) -> int:
    """Kanban cards: demand in the time of one round, with a share for safety, in whole containers."""
    with localcontext(_EXACT):
        wanted = mean * lead_time * (1 + safety) / container
        return int(wanted.to_integral_value(rounding=ROUND_CEILING))


def up(value: Decimal, step: Decimal) -> Decimal:
    """Up to a grid."""
    with localcontext(_EXACT):
        return (value / step).to_integral_value(rounding=ROUND_CEILING) * step
