"""Meters and readings through the rpcs: usage, quarantine, late and repeated readings, batches, races."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.rpc import error_details_pb2
from plantops.maintenance.v1 import events_pb2, meters_pb2

from tests.maintenance import builders as make
from tests.plant import Refused
from tests.statements import statements_of
from tests.world import Plant

Reading = meters_pb2.Reading


@pytest.fixture(scope="module", autouse=True)
async def two_sites(plant: Plant) -> None:
    await make.sites(plant)


async def gauge(plant: Plant, **given: Any) -> str:
    return await make.meter(plant, await make.asset(plant), **given)


async def usage(plant: Plant, name: str) -> str:
    found = await plant("vic", meters_pb2.GetMeterRequest(name=name))
    value: str = found.usage.value
    return value


def entry(parent: str, value: object, time: datetime | None = None, key: str = "") -> Any:
    made = meters_pb2.CreateReadingRequest(parent=parent, raw_value=make.number(value), request_id=key or str(uuid4()))
    if time is not None:
        made.measure_time.CopyFrom(make.at(time))
    return made


async def batch(plant: Plant, *entries: Any, site: str = make.HAMBURG, by: str = "tina") -> list[Any]:
    answer = await plant(by, meters_pb2.BatchCreateReadingsRequest(parent=site, requests=entries), timeout=60)
    return list(answer.outcomes)


@pytest.mark.rule("MNT-41")
@pytest.mark.rule("MNT-42")
async def test_a_reading_is_recorded_with_all_that_is_known_and_told(plant: Plant) -> None:
    name = await gauge(plant, initial_value=make.number(100))
    time = make.hours_ago(1)
    made = await make.read(plant, name, "112.5", time)
    assert (made.person, made.source, made.meter, made.state) == ("people/tina", "MANUAL", name, Reading.ACCEPTED)
    assert (made.delta.value, made.usage.value, made.raw_value.value) == ("12.5", "12.5", "112.5")
    assert made.measure_time.ToDatetime(tzinfo=UTC) == time
    assert made.record_time.ToDatetime(tzinfo=UTC) > time
    payload = plant.value("maintenance", "select payload from outbox where aggregate_id = %s", made.name)
    told = events_pb2.MeterRead.FromString(bytes(payload))
    assert (told.meter, told.asset, told.unit_code) == (name, name.split("/meters")[0], "HUR")
    assert (told.delta, told.usage, told.raw_value) == (made.delta, made.usage, made.raw_value)
    listed = await plant("vic", meters_pb2.ListReadingsRequest(parent=name))
    assert list(listed.readings) == [made]


@pytest.mark.rule("MNT-44")
async def test_a_rollover_goes_on_counting(plant: Plant) -> None:
    name = await gauge(plant, rollover=make.number(100_000))
    await make.read(plant, name, 99_998, make.hours_ago(2))
    made = await make.read(plant, name, 3, make.hours_ago(1))
    assert (made.delta.value, await usage(plant, name)) == ("5", "100003")


@pytest.mark.rule("MNT-48")
async def test_late_readings_give_the_usage_of_timely_ones(plant: Plant) -> None:
    name = await gauge(plant, rollover=make.number(1000))
    for value, ago in ((300, 1), (900, 5), (100, 3), (950, 4)):
        await make.read(plant, name, value, make.hours_ago(ago))
    rows = (await plant("vic", meters_pb2.ListReadingsRequest(parent=name, order_by="measure_time"))).readings
    assert [(row.raw_value.value, row.delta.value, row.usage.value) for row in rows] == [
        ("900", "900", "900"), ("950", "50", "950"), ("100", "150", "1100"), ("300", "200", "1300"),
    ]  # fmt: skip
    found = await plant("vic", meters_pb2.GetMeterRequest(name=name))
    assert (found.usage.value, found.last_value.value) == ("1300", "300")


@pytest.mark.rule("MNT-41")
async def test_a_repeated_reading_is_answered_again_and_another_one_under_its_key_is_refused(plant: Plant) -> None:
    name = await gauge(plant)
    first = entry(name, 10)
    made = await plant("tina", first)
    assert await plant("tina", first) == made
    with pytest.raises(Refused) as refused:
        await plant("tina", entry(name, 11, key=first.request_id))
    assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")
    assert (await usage(plant, name)) == "10"
    outcome = (await batch(plant, first))[0]
    assert outcome.reading.usage.value == "10"  # a batch keeps keys of its own: a second fact that adds nothing


@pytest.mark.rule("MNT-45")
@pytest.mark.rule("MNT-42")
async def test_what_looks_wrong_is_kept_and_triggers_nothing(plant: Plant) -> None:
    _, name, _ = await make.metered(plant)
    await make.read(plant, name, 100, make.hours_ago(2))
    back = await make.read(plant, name, 40)
    assert (back.state, list(back.work_orders)) == (Reading.QUARANTINED, [])
    assert "40 is less than 100" in back.reason
    assert await usage(plant, name) == "100"
    assert plant.rows("maintenance", "select 1 from outbox where aggregate_id = %s", back.name) == []


@pytest.mark.rule("MNT-46")
async def test_a_gain_beyond_the_rate_is_kept_in_quarantine(plant: Plant) -> None:
    name = await gauge(plant, max_rate=make.number(1), tolerance=make.number("0.5"))
    await make.read(plant, name, 0, make.hours_ago(10))
    assert (await make.read(plant, name, 12, make.hours_ago(1))).state == Reading.QUARANTINED
    assert (await make.read(plant, name, 9, make.hours_ago(1))).state == Reading.ACCEPTED


@pytest.mark.rule("MNT-50")
async def test_another_person_releases_a_reading_and_it_triggers_what_it_had_to(plant: Plant) -> None:
    parent = await make.asset(plant)
    strict = await make.meter(plant, parent, max_rate=make.number(1))
    bound = await make.assign(plant, parent, await make.policy(plant, usage_interval=make.number(250)), meter=strict)
    await make.read(plant, strict, 0, make.hours_ago(2))
    held = await make.read(plant, strict, 260, by="paul")
    release = meters_pb2.ReleaseReadingRequest(name=held.name, reason="the meter was stuck")
    with pytest.raises(Refused) as refused:
        await plant("paul", release)
    assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "SEGREGATION_OF_DUTIES")
    with pytest.raises(Refused) as refused:
        await plant("tina", release)
    assert refused.value.reason == "PERMISSION_DENIED"
    assert (await make.occurrences(plant, bound.name)) == []
    after = await plant("ada", meters_pb2.ReleaseReadingRequest(name=held.name, reason="the meter was stuck"))
    assert (after.state, after.reason, after.usage.value) == (Reading.ACCEPTED, "the meter was stuck", "260")
    assert len(after.work_orders) == 1
    assert await usage(plant, strict) == "260"
    with pytest.raises(Refused) as again:
        await plant("ada", meters_pb2.ReleaseReadingRequest(name=held.name, reason="once more"))
    assert again.value.reason == "TRANSITION_NOT_ALLOWED"


@pytest.mark.rule("MNT-50")
async def test_a_released_reading_of_the_same_instant_takes_its_place(plant: Plant) -> None:
    name = await gauge(plant, max_rate=make.number(1))
    time = make.hours_ago(1)
    await make.read(plant, name, 0, make.hours_ago(5))
    held = await make.read(plant, name, 100, time)
    await make.read(plant, name, 3, time)
    await plant("ada", meters_pb2.DiscardReadingRequest(name=held.name, reason="typing error"))
    assert await usage(plant, name) == "3"
    second = await make.read(plant, name, 90, time)
    await plant("ada", meters_pb2.ReleaseReadingRequest(name=second.name, reason="right"))
    assert await usage(plant, name) == "90"


@pytest.mark.rule("MNT-42")
async def test_a_discarded_reading_never_counts(plant: Plant) -> None:
    name = await gauge(plant)
    await make.read(plant, name, 100, make.hours_ago(1))
    held = await make.read(plant, name, 1)
    after = await plant("ada", meters_pb2.DiscardReadingRequest(name=held.name, reason="typing error"))
    assert (after.state, after.reason) == (Reading.DISCARDED, "typing error")
    with pytest.raises(Refused) as refused:
        await plant("ada", meters_pb2.ReleaseReadingRequest(name=held.name, reason="after all"))
    assert refused.value.reason == "TRANSITION_NOT_ALLOWED"
    rows = (await plant("vic", meters_pb2.ListReadingsRequest(parent=name, filter="state = DISCARDED"))).readings
    assert [row.name for row in rows] == [held.name]
    assert await usage(plant, name) == "100"


@pytest.mark.parametrize(
    ("value", "hours", "reason"), [(-1, 0, "FIELD_INVALID"), ("x", 0, "FIELD_INVALID"), (1, -1, "TIME_IN_FUTURE")]
)
async def test_a_reading_that_cannot_be_is_refused(plant: Plant, value: object, hours: int, reason: str) -> None:
    name = await gauge(plant)
    with pytest.raises(Refused) as refused:
        await make.read(plant, name, value, make.hours_ago(hours))
    assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", reason)
    assert plant.rows("maintenance", "select 1 from reading where meter = %s", name) == []


@pytest.mark.rule("MNT-41")
async def test_a_batch_has_one_outcome_for_each_entry_in_order(plant: Plant) -> None:
    name, other = await gauge(plant), await gauge(plant)
    foreign = await make.meter(plant, await make.asset(plant, site=make.ANTWERP))
    twin = entry(name, 10, make.hours_ago(3))
    mixed = [
        twin, twin, entry(name, -5), entry(f"{make.HAMBURG}/assets/a/meters/none", 1), entry(other, 7),
        entry(name, 5, make.hours_ago(1)), entry(name, 20, make.hours_ago(2)),
        entry(name, 1, datetime.now(UTC) + timedelta(hours=1)),
    ]  # fmt: skip
    found = await batch(plant, *mixed)
    reasons = []
    for outcome in found:
        info = error_details_pb2.ErrorInfo()
        for detail in outcome.status.details:
            detail.Unpack(info)
        reasons.append(info.reason or Reading.State.Name(outcome.reading.state))
    assert reasons == [
        "ACCEPTED", "ACCEPTED", "FIELD_INVALID", "RESOURCE_NOT_FOUND", "ACCEPTED", "QUARANTINED", "ACCEPTED",
        "TIME_IN_FUTURE",
    ]  # fmt: skip
    assert found[0].reading == found[1].reading
    assert (await usage(plant, name), await usage(plant, other)) == ("20", "7")
    again = await batch(plant, *mixed)
    assert [outcome.reading for outcome in again] == [outcome.reading for outcome in found]
    assert (await usage(plant, name)) == "20"
    denied = (await batch(plant, entry(name, 30), site=make.ANTWERP, by="eve"))[0]
    assert denied.status.code == 7
    assert (await batch(plant, entry(foreign, 3), site=make.ANTWERP, by="eve"))[0].reading.usage.value == "3"


@pytest.mark.rule("MNT-42")
async def test_the_statements_of_a_batch_do_not_grow_with_its_entries(plant: Plant) -> None:
    names = [(await make.metered(plant))[1] for _ in range(3)]
    counts: list[int] = []
    with statements_of(plant.processes["maintenance"].engine) as statements:
        for size in (6, 120):
            since = make.hours_ago(500 - len(counts) * 200)
            begin = (len(counts) + 1) * 50
            rows = [entry(names[n % 3], begin + n / 10, since + timedelta(hours=n)) for n in range(size)]
            outcomes = await batch(plant, *rows)
            assert {outcome.reading.state for outcome in outcomes} == {Reading.ACCEPTED}
            counts.append(len(statements.with_part("INSERT INTO reading ")))
    assert counts[1] <= counts[0] + 4, counts


@pytest.mark.rule("MNT-120")
@pytest.mark.rule("MNT-48")
async def test_concurrent_readings_of_one_meter_count_each_and_make_one_order(plant: Plant) -> None:
    _, name, bound = await make.metered(plant)
    start = make.hours_ago(100)
    await asyncio.gather(
        *(make.read(plant, name, 20 * n, start + timedelta(hours=n)) for n in range(1, 21)),
    )
    rows = (
        await plant("vic", meters_pb2.ListReadingsRequest(parent=name, order_by="measure_time", page_size=100))
    ).readings
    assert [row.usage.value for row in rows] == [str(20 * n) for n in range(1, 21)]
    assert [row.number for row in await make.occurrences(plant, bound.name)] == [1]
    orders = [order for row in rows for order in row.work_orders]
    assert len(orders) == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"rollover": make.number(0)}, "meter.rollover"),
        ({"max_rate": make.number(-1)}, "meter.max_rate"),
        ({"tolerance": make.number(-1)}, "meter.tolerance"),
        ({"rollover": make.number(10), "initial_value": make.number(10)}, "meter.initial_value"),
        ({"unit_code": "hours"}, "meter.unit_code"),
    ],
)
async def test_a_meter_that_cannot_be_names_its_field(plant: Plant, values: Any, field: str) -> None:
    with pytest.raises(Refused) as refused:
        await gauge(plant, **values)
    assert (refused.value.code, refused.value.fields) == ("INVALID_ARGUMENT", [field])


async def test_meters_of_an_asset_are_listed(plant: Plant) -> None:
    parent = await make.asset(plant)
    names = {await make.meter(plant, parent), await make.meter(plant, parent)}
    await gauge(plant)
    rows = (await plant("vic", meters_pb2.ListMetersRequest(parent=parent))).meters
    assert {row.name for row in rows} == names
