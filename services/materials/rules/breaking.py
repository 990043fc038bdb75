"""Whose claim on stock is broken when the stock is needed otherwise (MAT-77)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a reservation holds of a balance; priority 1 is the highest."""

    reservation: str
    balance: str
    quantity: Decimal
    priority: int
    made: datetime


def order(claims: Iterable[Claim]) -> list[Claim]:
    """The lowest priority first, then the newest; the name, from its end, breaks ties."""
    return sorted(claims, key=lambda row: (row.priority, row.made, row.reservation, row.balance), reverse=True)


def plan(
    claims: Iterable[Claim], free: Mapping[str, Decimal], needed: Mapping[str, Decimal | None]
) -> list[tuple[Claim, Decimal]]:
    """How much of which claim is broken, so that so much is free of each balance; None takes all that is claimed."""
    missing = {
        balance: None if amount is None else amount - free.get(balance, ZERO) for balance, amount in needed.items()
    }
    found: list[tuple[Claim, Decimal]] = []
    for claim in order(claims):
        rest = missing.get(claim.balance, ZERO)
        amount = claim.quantity if rest is None else min(claim.quantity, max(rest, ZERO))
        if amount > 0:
            found.append((claim, amount))
            if rest is not None:
                missing[claim.balance] = rest - amount
    return found
