"""Which stock a claim takes: what expires first, then the oldest, then along the path (MAT-85, 86, 88)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(slots=True)
class Candidate:
    """Unrestricted stock of one balance; `free` is what nobody has claimed, in the base unit.

    `life_days` have to be left of its life on the day of the need.
    """

    balance: str
    location: str
    lot: str
    free: Decimal
    unit_code: str = ""
    expires: date | None = None
    received: datetime | None = None
    path: int = 0
    life_days: int = 0
    serial: str = ""

    def usable(self, day: date) -> bool:
        """Whether it may be used on a day, with life left; the expiry date is the last usable one (MAT-86, 87)."""
        return self.free > 0 and (self.expires is None or (self.expires - day).days >= self.life_days)


def order(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Earliest expiry first and none last, then the age of the lot, then the path; the name breaks ties."""
    return sorted(
        candidates,
        key=lambda row: (
            row.expires is None, row.expires or date.max,
            row.received is None, row.received.timestamp() if row.received else 0,
            row.path, row.balance,
        ),
    )  # fmt: skip


def plan(candidates: Iterable[Candidate], needed: Decimal, day: date) -> list[tuple[Candidate, Decimal]]:
    """How much to take of which stock; never more than is free, never more than is needed."""
    found: list[tuple[Candidate, Decimal]] = []
    for row in order(candidates):
        if needed <= 0:
            break
        if row.usable(day):
            amount = min(needed, row.free)
            found.append((row, amount))
            needed -= amount
    return found
