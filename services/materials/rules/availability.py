"""What can be promised of an item at a day (MAT-72)."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Free:
    """Usable stock that no claim holds, with its last usable day; None = without end."""

    quantity: Decimal
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class Coming:
    """A firm receipt and its day."""

    quantity: Decimal
    day: date


@dataclass(frozen=True, slots=True)
class Claim:
    """What a reservation needs that holds no stock for it, on a day; `turn` orders the claims."""

    quantity: Decimal
    day: date
    turn: tuple[Any, ...]


@dataclass(slots=True)
class Outlook:
    """All that is known of an item at a site."""

    free: list[Free] = field(default_factory=list)
    coming: list[Coming] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def available(self, day: date, *, before: tuple[Any, ...] | None = None, life_days: int = 0) -> Decimal:
        """Usable on the day and not claimed + firm receipts until then - claims needed until then.

        Claims that come behind `before` do not count. Below zero, so much is promised already and not there.
        """
        usable = (row.quantity for row in self.free if row.last_day is None or (row.last_day - day).days >= life_days)
        return (
            sum(usable, ZERO)
            + sum((row.quantity for row in self.coming if row.day <= day), ZERO)
            - sum((row.quantity for row in self.claims if row.day <= day and _earlier(row.turn, before)), ZERO)
        )


def _earlier(turn: tuple[Any, ...], before: tuple[Any, ...] | None) -> bool:
    return before is None or turn < before


def promised(available: Decimal, needed: Decimal) -> Decimal:
    """How much of a need is covered: all, a part or nothing."""
    return min(max(available, ZERO), needed)
