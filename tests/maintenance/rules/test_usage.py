"""Cumulative usage: known answers of the specification, and the ground truth of random meters."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.maintenance.rules.usage import Meter, Shown, elapsed_hours, step, usages

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def shown(value: object, hours: float = 0) -> Shown:
    return Shown(Decimal(str(value)), NOON + timedelta(hours=hours))


@pytest.mark.rule("MNT-44")
@pytest.mark.parametrize(
    ("rollover", "last", "new", "delta"), [(100_000, 99_998, 3, 5), (10_000, 9_998, 12, 14), (100_000, 10, 12, 2)]
)
def test_a_smaller_value_is_a_rollover(rollover: int, last: int, new: int, delta: int) -> None:
    found = step(Meter(rollover=Decimal(rollover)), shown(last), shown(new, 1))
    assert (found.delta, found.doubt) == (delta, "")


@pytest.mark.rule("MNT-45")
def test_a_smaller_value_of_a_meter_that_does_not_roll_over_is_doubted() -> None:
    assert "does not roll over" in step(Meter(), shown(100), shown(99, 1)).doubt


@pytest.mark.rule("MNT-45")
def test_a_rolled_gain_beyond_the_rate_is_doubted() -> None:
    meter = Meter(rollover=Decimal(10_000), max_rate=Decimal(1))
    assert "more than" in step(meter, shown(5_000), shown(10, 24)).doubt


@pytest.mark.rule("MNT-45")
def test_a_value_that_the_meter_cannot_show_is_doubted() -> None:
    assert "cannot show" in step(Meter(rollover=Decimal(1000)), shown(900), shown(1000, 1)).doubt


@pytest.mark.rule("MNT-46")
@pytest.mark.parametrize(("gain", "plausible"), [("10.5", True), ("10.500001", False)])
def test_a_gain_up_to_rate_times_time_and_tolerance_is_plausible(gain: str, plausible: bool) -> None:
    meter = Meter(max_rate=Decimal(1), tolerance=Decimal("0.5"))
    assert (step(meter, shown(0), shown(gain, 10)).doubt == "") is plausible


@pytest.mark.rule("MNT-46")
@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_day_of_time_change_has_23_or_25_hours(day: str, hours: int) -> None:
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert elapsed_hours(begin, begin + timedelta(days=1)) == hours


@pytest.mark.rule("MNT-43")
def test_usage_begins_at_the_initial_value() -> None:
    assert usages(Meter(initial_value=Decimal(100)), [shown(130)]) == [(30, 30)]


GAINS = st.lists(st.decimals(0, 900, places=1), min_size=1, max_size=12)


@pytest.mark.rule("MNT-43")
@given(initial=st.decimals(0, 999, places=1), gains=GAINS)
def test_usage_is_the_sum_of_all_gains_through_any_rollover(initial: Decimal, gains: list[Decimal]) -> None:
    meter = Meter(initial_value=initial, rollover=Decimal(1000))
    total, readings = Decimal(0), []
    for hour, gain in enumerate(gains):
        total += gain
        readings.append(shown((initial + total) % 1000, hour))
    found = usages(meter, reversed(readings))
    assert found[-1][1] == total
    assert [delta for delta, _ in found] == gains


@given(gains=GAINS)
def test_usage_never_falls(gains: list[Decimal]) -> None:
    readings = [shown(sum(gains[: n + 1]), n) for n in range(len(gains))]
    found = [usage for _, usage in usages(Meter(), readings)]
    assert found == sorted(found)
