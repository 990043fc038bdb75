"""Cumulative usage of counters, free of rollover, whatever order readings arrive in (MNT-43 .. MNT-48)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

_TICKS = 3_600_000_000  # microseconds of an hour


@dataclass(frozen=True, slots=True)
class Meter:
    """What a counter can do; `max_rate` and `tolerance` in its unit, per hour and absolute."""

    initial_value: Decimal = Decimal(0)
    rollover: Decimal | None = None
    max_rate: Decimal | None = None
    tolerance: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a counter showed at an instant."""

    value: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """Use between two readings; `doubt` says why it is not plausible, "" if it is."""

    delta: Decimal
    doubt: str = ""


def elapsed_hours(start: datetime, end: datetime) -> Decimal:
    """Hours that passed between two aware instants, by the clock of UTC: 23 or 25 on the days of time change."""
    ticks = (end.astimezone(UTC) - start.astimezone(UTC)) // timedelta(microseconds=1)
    return Decimal(ticks) / _TICKS


def step(meter: Meter, before: Shown | None, after: Shown) -> Step:
    """Use from one reading to the next.

    A smaller value is a rollover where the meter has one: delta = (M - last) + new (MNT-44); else, and where
    the rate is not plausible, the reading is doubted (MNT-45, MNT-46).
    """
    last = meter.initial_value if before is None else before.value
    if meter.rollover is not None and after.value >= meter.rollover:
        return Step(Decimal(0), f"the meter cannot show {after.value}; it rolls over at {meter.rollover}")
    delta = after.value - last
    if delta < 0:
        if meter.rollover is None:
            return Step(Decimal(0), f"{after.value} is less than {last} and the meter does not roll over")
        delta = (meter.rollover - last) + after.value
    if before is not None and meter.max_rate is not None:
        most = meter.max_rate * elapsed_hours(before.at, after.at) + meter.tolerance
        if delta > most:
            return Step(delta, f"a gain of {delta} is more than {most.quantize(Decimal('0.001'))} in the time between")
    return Step(delta)


def usages(meter: Meter, readings: Iterable[Shown], start: Decimal = Decimal(0)) -> list[tuple[Decimal, Decimal]]:
    """(delta, U) of accepted readings in the order of their measure time."""
    found: list[tuple[Decimal, Decimal]] = []
    before: Shown | None = None
    total = start
    for shown in sorted(readings, key=lambda shown: shown.at):
        delta = step(meter, before, shown).delta
        total += delta
        found.append((delta, total))
        before = shown
    return found
