"""Exchanging allocated stock for other stock: what is free there first, then what others hold (MAT-75)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from services.materials.rules.breaking import Claim, order

ZERO = Decimal(0)


@dataclass(slots=True)
class Swap:
    """What becomes of a wish: taken of what is free, taken from others, and what cannot be had."""

    free: Decimal = ZERO
    from_others: list[tuple[Claim, Decimal]] = field(default_factory=list)
    missing: Decimal = ZERO

    @property
    def amount(self) -> Decimal:
        """What can be had."""
        return self.free + sum((amount for _, amount in self.from_others), ZERO)


def plan(wanted: Decimal, free: Decimal, others: Iterable[Claim], priority: int) -> Swap:
    """Others give up what they hold if their priority is equal or lower: the lowest first, then the newest."""
    found = Swap(free=min(wanted, max(free, ZERO)))
    rest = wanted - found.free
    for claim in order(others):
        amount = min(rest, claim.quantity)
        if amount > 0 and claim.priority >= priority:
            found.from_others.append((claim, amount))
            rest -= amount
    found.missing = rest
    return found
