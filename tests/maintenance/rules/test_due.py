"""When work falls due: known answers of the specification, and what holds for all grids."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.maintenance.rules import due

MONTHLY = {"months": 1, "days": 0}


def days(anchor: date, numbers: range, rule: str, months: int = 1) -> list[date | None]:
    return [due.calendar_due(anchor, n, months=months, days=0, rule=rule) for n in numbers]


@pytest.mark.rule("MNT-80")
def test_a_monthly_grid_counts_from_its_anchor_and_never_from_the_last_due() -> None:
    found = days(date(2024, 1, 31), range(1, 5), "CLAMP")
    assert found == [date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30), date(2024, 5, 31)]


@pytest.mark.rule("MNT-81")
def test_skip_leaves_out_months_without_the_day() -> None:
    found = [day for day in days(date(2024, 1, 31), range(5), "SKIP") if day]
    assert found == [date(2024, 1, 31), date(2024, 3, 31), date(2024, 5, 31)]


@pytest.mark.rule("MNT-81")
def test_last_day_stays_the_last_day() -> None:
    found = days(date(2024, 2, 29), range(1, 4), "LAST_DAY")
    assert found == [date(2024, 3, 31), date(2024, 4, 30), date(2024, 5, 31)]


@pytest.mark.rule("MNT-81")
def test_a_leap_day_is_clamped_in_common_years_and_returns_in_leap_years() -> None:
    found = days(date(2024, 2, 29), range(1, 5), "CLAMP", months=12)
    assert found == [date(2025, 2, 28), date(2026, 2, 28), date(2027, 2, 28), date(2028, 2, 29)]


@pytest.mark.rule("MNT-80")
def test_sixty_months_from_the_31st_never_stick_to_a_shorter_month() -> None:
    found = days(date(2020, 1, 31), range(60), "CLAMP")
    assert {day.day for day in found if day and day.month in (1, 3, 5, 7, 8, 10, 12)} == {31}


@pytest.mark.rule("MNT-121")
@pytest.mark.parametrize(("today", "numbers"), [(date(2026, 4, 27), []), (date(2026, 4, 28), [1])])
def test_an_order_is_made_from_due_less_lead_on(today: date, numbers: list[int]) -> None:
    found, following = due.calendar_crossed(date(2026, 4, 12), 1, today, months=1, days=0, rule="CLAMP", lead_days=14)
    assert [item.number for item in found] == numbers
    assert following == 1 + len(numbers)
    assert all(item.day == date(2026, 5, 12) for item in found)


@pytest.mark.rule("MNT-53")
def test_one_reading_crosses_three_thresholds() -> None:
    found, following = due.meter_crossed(Decimal(0), Decimal(250), 1, Decimal(760), Decimal(0))
    assert [(item.number, item.usage) for item in found] == [(1, 250), (2, 500), (3, 750)]
    assert due.threshold(Decimal(0), Decimal(250), following) == 1000


@pytest.mark.rule("MNT-52")
def test_250_hours_done_at_262_are_next_due_at_500_fixed_and_512_floating() -> None:
    _, following = due.meter_crossed(Decimal(0), Decimal(250), 1, Decimal(262), Decimal(0))
    assert due.threshold(Decimal(0), Decimal(250), following) == 500
    assert due.meter_floating_next(Decimal(262), Decimal(250)) == 512


@pytest.mark.rule("MNT-121")
def test_the_lead_in_use_is_reached_exactly() -> None:
    assert due.meter_crossed(Decimal(0), Decimal(250), 1, Decimal("239.9"), Decimal(10))[0] == []
    assert len(due.meter_crossed(Decimal(0), Decimal(250), 1, Decimal(240), Decimal(10))[0]) == 1


GRIDS = st.one_of(st.tuples(st.integers(1, 24), st.just(0)), st.tuples(st.just(0), st.integers(1, 400))).map(
    lambda pair: {"months": pair[0], "days": pair[1]}
)
DAYS = st.dates(date(1990, 1, 1), date(2040, 12, 31))
RULES = st.sampled_from(["CLAMP", "SKIP", "LAST_DAY"])


@pytest.mark.rule("MNT-80")
@given(anchor=DAYS, grid=GRIDS, rule=RULES, steps=st.lists(st.integers(1, 150), min_size=1, max_size=6))
def test_looking_often_or_once_finds_the_same_occurrences(
    anchor: date, grid: dict[str, int], rule: str, steps: list[int]
) -> None:
    found, number, today = [], 1, anchor
    for step in steps:
        today += timedelta(days=step)
        more, number = due.calendar_crossed(anchor, number, today, rule=rule, lead_days=3, **grid)
        found += more
    once, following = due.calendar_crossed(anchor, 1, today, rule=rule, lead_days=3, **grid)
    assert found == once
    days_found = [item.day for item in found if item.day]
    assert days_found == sorted(set(days_found))
    following_day = due.calendar_next(anchor, max(number, following), rule=rule, **grid)[1]
    assert following_day - timedelta(days=3) > today


@given(anchor=DAYS, grid=GRIDS, rule=RULES, last=DAYS)
def test_the_next_series_begins_behind_what_fell_due_last(
    anchor: date, grid: dict[str, int], rule: str, last: date
) -> None:
    number, found = due.calendar_after(anchor, last, rule=rule, **grid)
    assert found > last
    earlier = [due.calendar_due(anchor, n, rule=rule, **grid) for n in range(1, number)]
    assert all(day is None or day <= last for day in earlier)


AMOUNTS = st.decimals(0, 10_000, places=2)
INTERVALS = st.decimals("0.5", 5_000, places=1)


@pytest.mark.rule("MNT-53")
@given(anchor=AMOUNTS, interval=INTERVALS, gains=st.lists(AMOUNTS, max_size=5))
def test_every_threshold_is_crossed_once_however_usage_grows(
    anchor: Decimal, interval: Decimal, gains: list[Decimal]
) -> None:
    usage, number, found = anchor, 1, []
    for gain in gains:
        usage += min(gain, interval * 100)
        more, number = due.meter_crossed(anchor, interval, number, usage, Decimal(0))
        found += more
    assert [item.number for item in found] == list(range(1, len(found) + 1))
    assert len(found) == (usage - anchor) // interval


@given(anchor=AMOUNTS, interval=INTERVALS, last=AMOUNTS)
def test_a_usage_grid_goes_on_behind_what_fell_due_last(anchor: Decimal, interval: Decimal, last: Decimal) -> None:
    number = due.meter_after(anchor, interval, last)
    assert number == 1 or due.threshold(anchor, interval, number - 1) <= last
    assert due.threshold(anchor, interval, number) > last
