"""Which places are due for a count, and on which day each is counted (MAT-151)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Triggers:
    """When a stock is due; None or 0 leaves a reason out. Days by class; value in the site's currency."""

    interval_days: Mapping[str, int] = field(default_factory=lambda: {"A": 30, "B": 90, "C": 180})
    turnover: Decimal | None = None
    value_moved: Decimal | None = None
    poor_accuracy: bool = True
    short_pick: bool = True
    age_days: int = 180


@dataclass(frozen=True, slots=True)
class Stock:
    """What is known of a stock since it was counted last; `counted` is None for one that never was."""

    location: str
    count_class: str
    counted: date | None
    since: date
    on_hand: Decimal
    issued: Decimal
    value_moved: Decimal
    poor: bool = False
    short: bool = False


REASONS = ("SHORT_PICK", "POOR_ACCURACY", "VALUE_MOVED", "TURNOVER", "CLASS_INTERVAL", "AGE")
"""Most urgent first."""


def due(stock: Stock, triggers: Triggers, today: date) -> tuple[str, date] | None:
    """The most urgent reason to count a stock, and since when it is due; None for one that is not."""
    if triggers.short_pick and stock.short:
        return "SHORT_PICK", today
    if triggers.poor_accuracy and stock.poor:
        return "POOR_ACCURACY", today
    if triggers.value_moved is not None and stock.value_moved >= triggers.value_moved:
        return "VALUE_MOVED", today
    if triggers.turnover is not None and stock.issued > 0 and stock.issued >= triggers.turnover * stock.on_hand:
        return "TURNOVER", today
    days = triggers.interval_days.get(stock.count_class, 0)
    if stock.counted is not None and days and (day := stock.counted + timedelta(days=days)) <= today:
        return "CLASS_INTERVAL", day
    if stock.counted is None and triggers.age_days:
        day = stock.since + timedelta(days=min(triggers.age_days, days or triggers.age_days))
        if day <= today:
            return "AGE", day
    return None


@dataclass(frozen=True, slots=True)
class Place:
    """A place that is due: the most urgent reason of its stocks, since when, and how many lines it has."""

    location: str
    reason: str
    since: date
    line_count: int


def places(stocks: Iterable[Stock], triggers: Triggers, today: date) -> list[Place]:
    """Places with at least one stock that is due, most urgent first; a place is counted whole."""
    counts: dict[str, int] = {}
    found: dict[str, tuple[str, date]] = {}
    for stock in stocks:
        counts[stock.location] = counts.get(stock.location, 0) + 1
        if (reason := due(stock, triggers, today)) is not None:
            known = found.get(stock.location)
            if known is None or _urgency(*reason) < _urgency(*known):
                found[stock.location] = reason
    rows = [Place(location, *reason, counts[location]) for location, reason in found.items()]
    return sorted(rows, key=lambda row: (*_urgency(row.reason, row.since), row.location))


def _urgency(reason: str, since: date) -> tuple[int, date]:
    return REASONS.index(reason), since


def spread(
    due_places: Sequence[Place], capacity: int, first_day: date, day_count: int, planned: Mapping[date, int]
) -> dict[date, list[Place]]:
    """Places by day, most urgent first, within the lines that a day can take beside what is planned.

    A place with more lines than a day takes gets an empty day for itself. What does not fit is left out.
    """
    days = [first_day + timedelta(days=number) for number in range(day_count)]
    room = {day: capacity - planned.get(day, 0) for day in days}
    found: dict[date, list[Place]] = {}
    for place in due_places:
        wanted = min(place.line_count, capacity)
        day = next((day for day in days if room[day] >= max(wanted, 1)), None)
        if day is not None:
            room[day] -= wanted
            found.setdefault(day, []).append(place)
    return found
