"""Counting: the book at the instant of a count, what differs, who counts again, what late facts do (MAT-145 .. 152)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

ZERO = Decimal(0)
HUNDRED = Decimal(100)
AMBIGUITY_WINDOW = timedelta(minutes=10)
CLASSES = ("A", "B", "C")
TYPICAL_PERCENT = {"A": Decimal("0.2"), "B": Decimal(1), "C": Decimal(5)}


@dataclass(frozen=True, slots=True)
class Entry:
    """What changed a stock: signed quantity, number among the item's entries, and when it happened."""

    quantity: Decimal
    sequence: int
    effective_time: datetime


def book(snapshot: Decimal, sequence: int, entries: Iterable[Entry], count_time: datetime) -> Decimal:
    """The book at the time of a count: the snapshot and what came later into the ledger from before it (MAT-146)."""
    late = (row.quantity for row in entries if row.sequence > sequence and row.effective_time <= count_time)
    return snapshot + sum(late, ZERO)


def snapshot_at(on_hand: Decimal, entries: Iterable[Entry], count_time: datetime) -> Decimal:
    """A snapshot that is taken when the line is counted: what is on hand now without what happened later."""
    return on_hand - sum((row.quantity for row in entries if row.effective_time > count_time), ZERO)


def ambiguous(entries: Iterable[Entry], count_time: datetime, window: timedelta = AMBIGUITY_WINDOW) -> bool:
    """Whether something moved about the time of the count, so that nobody knows on which side of it (MAT-147)."""
    return any(abs(row.effective_time - count_time) <= window for row in entries)


def first_after(count_times: Sequence[datetime], effective_time: datetime) -> int | None:
    """Which of the posted counts of a stock takes a fact that came in after them: the first not before it (MAT-150)."""
    later = [(time, at) for at, time in enumerate(count_times) if effective_time <= time]
    return min(later)[1] if later else None


def restated(difference: Decimal, fact: Decimal) -> Decimal:
    """The difference after a fact from before the count: −920 and an issue of 900 are −20 (MAT-150)."""
    return difference - fact


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a count may be from the book; beyond any of them another person counts again (MAT-149).

    The percents of the classes also say what an accurate line is (MAT-152).
    """

    percents: Mapping[str, Decimal] = field(default_factory=lambda: TYPICAL_PERCENT)
    quantity: Decimal | None = None
    value: Decimal | None = None

    def accurate(self, book: Decimal, counted: Decimal, count_class: str) -> bool:
        """Within the percent of the class; where the book has nothing, only if nothing was counted."""
        return abs(counted - book) * HUNDRED <= self.percents[count_class] * abs(book)

    def exceeded(self, book: Decimal, counted: Decimal, value: Decimal, count_class: str) -> str:
        """Which tolerance a difference is beyond; "" for none."""
        if not self.accurate(book, counted, count_class):
            return f"beyond {self.percents[count_class]} % of the book"
        if self.quantity is not None and abs(counted - book) > self.quantity:
            return f"beyond a quantity of {self.quantity}"
        if self.value is not None and abs(value) > self.value:
            return f"beyond a value of {self.value}"
        return ""


def may_approve(value: Decimal, roles: Iterable[str], limits: Mapping[str, Decimal]) -> bool:
    """Whether somebody of these roles may accept a difference of a value; without limits anybody who approves."""
    return not limits or abs(value) <= max((limits[role] for role in roles if role in limits), default=ZERO)


@dataclass(frozen=True, slots=True)
class Counted:
    """A counted line: its class, whether the first count was within the tolerance, and what it is worth."""

    count_class: str
    accurate: bool
    variance: Decimal
    book_value: Decimal


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Lines of one class: gains and losses never cancel in it (MAT-152)."""

    count_class: str
    counted_count: int
    accurate_count: int
    net_variance: Decimal
    gross_variance: Decimal
    book_value: Decimal


def accuracies(lines: Iterable[Counted]) -> list[Accuracy]:
    """Accuracy by class; a line is accurate or not, whatever another one says."""
    known: dict[str, list[Counted]] = {}
    for line in lines:
        known.setdefault(line.count_class, []).append(line)
    return [
        Accuracy(
            name, len(rows), sum(row.accurate for row in rows), sum((row.variance for row in rows), ZERO),
            sum((abs(row.variance) for row in rows), ZERO), sum((row.book_value for row in rows), ZERO),
        )
        for name, rows in sorted(known.items())
    ]  # fmt: skip
