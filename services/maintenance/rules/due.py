"""When work falls due: the one kernel that generator, forecast and explanation use (MNT-7)."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Due:
    """One falling due: number in its grid, with the usage or the day."""

    number: int
    usage: Decimal | None = None
    day: date | None = None


def add_months(anchor: date, months: int, rule: str = "CLAMP") -> date | None:
    """anchor ⊕ months, from the anchor and never chained (MNT-80).

    CLAMP takes the last day of a shorter month, LAST_DAY always the last one, SKIP gives None (MNT-81).
    """
    count = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(count, 12)
    last = calendar.monthrange(year, month + 1)[1]
    if rule == "LAST_DAY":
        return date(year, month + 1, last)
    if anchor.day > last:
        return None if rule == "SKIP" else date(year, month + 1, last)
    return date(year, month + 1, anchor.day)


def calendar_due(anchor: date, number: int, *, months: int = 0, days: int = 0, rule: str = "CLAMP") -> date | None:
    """Day of occurrence n of a calendar grid; None where the month rule leaves it out."""
    if months:
        return add_months(anchor, months * number, rule)
    return anchor + timedelta(days=days * number)


def calendar_crossed(
    anchor: date,
    next_number: int,
    today: date,
    *,
    months: int,
    days: int,
    rule: str,
    lead_days: int,
    most: int = 1000,
) -> tuple[list[Due], int]:
    """Occurrences whose day less lead has come, and the number that follows (MNT-121)."""
    found: list[Due] = []
    number = next_number
    while number < next_number + most:
        day = calendar_due(anchor, number, months=months, days=days, rule=rule)
        if day is not None:
            if day - timedelta(days=lead_days) > today:
                break
            found.append(Due(number, day=day))
        number += 1
    return found, number


def calendar_next(anchor: date, number: int, *, months: int, days: int, rule: str) -> tuple[int, date]:
    """First occurrence from a number on that has a day, and its day."""
    while (day := calendar_due(anchor, number, months=months, days=days, rule=rule)) is None:
        number += 1
    return number, day


def calendar_after(anchor: date, last: date, *, months: int, days: int, rule: str) -> tuple[int, date]:
    """First occurrence of a grid, from 1 on, whose day is later than the last one that fell due."""
    number, day = calendar_next(anchor, 1, months=months, days=days, rule=rule)
    while day <= last:
        number, day = calendar_next(anchor, number + 1, months=months, days=days, rule=rule)
    return number, day


def meter_after(anchor: Decimal, interval: Decimal, last: Decimal) -> int:
    """First number of a usage grid, from 1 on, whose threshold is greater than the last one that fell due."""
    return max(1, int((last - anchor) // interval) + 1)


def threshold(anchor: Decimal, interval: Decimal, number: int) -> Decimal:
    """Usage at which occurrence n of a grid falls due: anchor + n · interval (MNT-52)."""
    return anchor + interval * number


def meter_crossed(
    anchor: Decimal, interval: Decimal, next_number: int, usage: Decimal, lead: Decimal, most: int = 1000
) -> tuple[list[Due], int]:
    """Occurrences of a usage grid that a reading has crossed, less lead, and the number that follows (MNT-53)."""
    found: list[Due] = []
    number = next_number
    while number < next_number + most and threshold(anchor, interval, number) - lead <= usage:
        found.append(Due(number, usage=threshold(anchor, interval, number)))
        number += 1
    return found, number


def meter_floating_next(at_finish: Decimal, interval: Decimal) -> Decimal:
    """Usage at which the next one falls due after a finish (MNT-52)."""
    return at_finish + interval
