"""The log of a meter as plain Python: any order of arrival gives the same usage."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.faults import SegregationOfDuties, TransitionNotAllowed
from services.maintenance.model.meter import Log, Meter, Reading, State

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def meter(**given: Any) -> Meter:
    return Meter(name="sites/h/assets/a/meters/m", asset="sites/h/assets/a", title="Hours", unit_code="HUR", **given)


def reading(value: object, hours: float, name: str = "") -> Reading:
    time = NOON + timedelta(hours=hours)
    return Reading(
        name=f"readings/{name or hours}", meter="m", raw_value=Decimal(str(value)), measure_time=time, record_time=time,
        person="people/tina",
    )  # fmt: skip


@pytest.mark.rule("MNT-43")
@pytest.mark.rule("MNT-48")
@given(data=st.data())
def test_any_order_of_arrival_gives_the_ground_truth(data: st.DataObject) -> None:
    rollover = data.draw(st.sampled_from([None, 1000]))
    gains = data.draw(st.lists(st.decimals(0, 300 if rollover else 3000, places=1), min_size=1, max_size=8))
    truth = [sum(gains[: n + 1], Decimal(0)) for n in range(len(gains))]
    rows = [reading(value % rollover if rollover else value, n) for n, value in enumerate(truth)]
    log = Log(meter(rollover=Decimal(rollover) if rollover else None))
    for row in data.draw(st.permutations(rows)):
        log.put(row)
    assert {row.state for row in rows} == {State.ACCEPTED}
    assert [row.usage for row in rows] == truth
    assert [row.delta for row in rows] == gains
    assert (log.meter.usage, log.meter.last_value) == (truth[-1], rows[-1].raw_value)


@pytest.mark.rule("MNT-48")
def test_a_late_reading_that_changes_nothing_leaves_usage_as_it_is() -> None:
    log = Log(meter())
    for value, hour in ((10, 1), (30, 3)):
        log.put(reading(value, hour))
    late = reading(20, 2)
    log.put(late)
    assert (late.delta, log.meter.usage, log.meter.last_value) == (10, 30, 30)


@pytest.mark.rule("MNT-45")
def test_a_late_reading_that_the_next_one_contradicts_is_kept_in_quarantine() -> None:
    log = Log(meter())
    for value, hour in ((10, 1), (30, 3)):
        log.put(reading(value, hour))
    late = reading(500, 2)
    log.put(late)
    assert late.state is State.QUARANTINED
    assert "later reading readings/3" in late.reason
    assert log.meter.usage == 30


@pytest.mark.rule("MNT-45")
def test_a_quarantined_reading_changes_no_usage() -> None:
    log = Log(meter())
    log.put(reading(10, 1))
    back = reading(5, 2)
    log.put(back)
    log.put(reading(12, 3))
    assert back.state is State.QUARANTINED
    assert log.meter.usage == 12


@pytest.mark.rule("MNT-50")
def test_a_released_reading_counts_at_its_place() -> None:
    log = Log(meter(max_rate=Decimal(1)))
    log.put(reading(10, 0))
    jump = reading(60, 1)
    log.put(jump)
    assert jump.state is State.QUARANTINED
    jump.release("people/ada", "the clock was changed")
    log.accept(jump)
    log.put(reading(61, 2))
    assert (jump.usage, log.meter.usage) == (60, 61)


@pytest.mark.rule("MNT-50")
def test_who_read_the_meter_does_not_release_the_reading() -> None:
    row = reading(1, 1)
    row.state = State.QUARANTINED
    with pytest.raises(SegregationOfDuties):
        row.release("people/tina", "it is right")


@pytest.mark.parametrize("state", [State.ACCEPTED, State.SUPERSEDED, State.DISCARDED])
def test_only_what_is_in_quarantine_is_released_or_discarded(state: State) -> None:
    row = reading(1, 1)
    row.state = state
    with pytest.raises(TransitionNotAllowed):
        row.release("people/ada", "?")
    with pytest.raises(TransitionNotAllowed):
        row.discard("?")


@pytest.mark.rule("MNT-48")
def test_readings_of_one_instant_keep_their_order_of_recording() -> None:
    log = Log(meter())
    log.put(reading(10, 1, "a"))
    log.put(reading(12, 1, "b"))
    log.put(reading(12, 1, "c"))
    assert [row.delta for row in log.rows] == [10, 2, 0]
