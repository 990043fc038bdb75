"""Key figures of flows, each against what was worked out by hand (section 7)."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal as D
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from plantops.materials.v1 import (
    item_settings_pb2,
    measures_pb2,
    production_pb2,
    recalls_pb2,
    reservations_pb2,
    tasks_pb2,
)

from services.materials import jobs
from tests.materials.api.test_measures import left_out, measured, parts, window
from tests.materials.builders import SITE, at, eur, fresh, item, lot, reserved, stocked
from tests.materials.genealogy import named_lots, wire
from tests.materials.holds import hold
from tests.materials.places import confirm as put_away
from tests.materials.places import put_away_task
from tests.materials.production import bill, component, line, ordered, report, reported, reports, some, staged
from tests.materials.tasks import confirm, demand, get, only, scanned, start, waved, yard
from tests.world import Plant, site_today

Measure = measures_pb2.MaterialsMeasure
ZONE = ZoneInfo("Europe/Berlin")


def noon(days: int = 0, hour: int = 12) -> datetime:
    """An hour of a day of the site, so many days from today."""
    return datetime.combine(site_today() + timedelta(days=days), time(hour), tzinfo=ZONE)


def rewrite(plant: Plant, query: str, *values: Any) -> None:
    """Let something have happened at another time than now."""
    with plant.look("materials") as connection:
        assert connection.execute(query, values).rowcount


async def over(plant: Plant, name: str, item_class: str, first: int, last: int) -> Any:
    """A measure over days from today."""
    days = {key: window()["start_date"].__class__() for key in ("start_date", "end_date")}
    for key, offset in (("start_date", first), ("end_date", last)):
        value = site_today() + timedelta(days=offset)
        days[key].year, days[key].month, days[key].day = value.year, value.month, value.day
    request = measures_pb2.GetMaterialsMeasureRequest(parent=SITE, measure=name, item_class=item_class, **days)
    return await plant("vic", request)


async def classed(plant: Plant, count: int = 1, **given: Any) -> tuple[str, list[str]]:
    """A class of its own and new items of it."""
    kind = fresh("class")
    return kind, [await item(plant, item_class=kind, standard_cost=eur(1), **given) for _ in range(count)]


@pytest.mark.rule("MAT-331")
async def test_units_covered_when_they_are_needed(store: Plant) -> None:
    kind, (name,) = await classed(store)
    await stocked(store, name, 5)
    claims = [await reserved(store, name, 4), await reserved(store, name, 6)]
    later = await reserved(store, name, 1, need=datetime.now(UTC) + timedelta(minutes=3))
    for claim in claims:
        rewrite(store, "update reservation set need_time = clock_timestamp() where name = %s", claim.name)
    await jobs.note_needs(store.processes["materials"].commands.open_unit)
    await stocked(store, name, 9)  # what comes after the need changes nothing
    found = await over(store, "fill_rate_units", kind, 0, 2)
    assert parts(found) == ("50", D(500), D(10), 2)
    assert left_out(found) == {"needed later than now": 1}
    rewrite(store, "update reservation set need_time = need_time - interval '2 hours' where name = %s", claims[0].name)
    assert left_out(await over(store, "fill_rate_units", kind, -1, 2))["cover at need is not known"] == 1
    assert later.state == reservations_pb2.Reservation.SHORT


@pytest.mark.rule("MAT-331")
async def test_what_is_covered_a_day_before_its_need(store: Plant) -> None:
    kind, (name,) = await classed(store)
    await stocked(store, name, 5)
    need = datetime.now(UTC) + timedelta(hours=23)
    claims = [await reserved(store, name, number, need=need) for number in (5, 3, 2)]
    for claim in claims[:2]:
        rewrite(
            store, "update reservation set create_time = create_time - interval '2 days' where name = %s", claim.name
        )
        rewrite(store, "update reservation set need_time = now() + interval '1 day' where name = %s", claim.name)
    found = await over(store, "coverage_at_need", kind, 0, 4)
    assert (parts(found), left_out(found)) == (
        ("50", D(100), D(2), 2), {"known only within a day of the need": 1},
    )  # fmt: skip


@pytest.mark.rule("MAT-331")
async def test_days_on_which_nothing_was_there_for_who_needed_it(store: Plant) -> None:
    """Needed since the day before yesterday, in stock since yesterday noon: one of three days was a stock-out."""
    kind, (name, other) = await classed(store, 2)
    claim = await reserved(store, name, 4)
    rewrite(
        store, "update reservation set create_time = %s, need_time = %s where name = %s", noon(-3), noon(-2), claim.name
    )
    await stocked(store, name, 10, effective_time=noon(-1).astimezone(UTC))
    await stocked(store, other, 10)
    assert parts(await over(store, "stock_out", kind, -2, 1)) == ("33.333333", D(100), D(3), 3)
    assert parts(await over(store, "stock_out", kind, -1, 5))[:3] == ("0", D(0), D(2))


@pytest.mark.rule("MAT-331")
async def test_lines_by_the_hours_for_which_somebody_had_them(store: Plant) -> None:
    kind, (name,) = await classed(store)
    where, cart, staging = await yard(store)
    await stocked(store, name, 5, where)
    await waved(store, await demand(store, name, 3, staging))
    pick = await only(store, name, "PICK")
    await start(store, pick)
    begun = "update put_away_task set lease_time = lease_time - interval '6 minutes' where name = %s"
    rewrite(store, begun, pick.name)
    await confirm(store, pick, cart)
    rewrite(store, "update put_away_task set leased_seconds = round(leased_seconds, -1) where name = %s", pick.name)
    await confirm(store, await only(store, name, "STAGE"), staging)
    found = await measured(store, "lines_per_hour", kind)
    assert (parts(found), left_out(found)) == (("10", D(1), D("0.1"), 1), {"done at once": 1})


@pytest.mark.rule("MAT-331")
async def test_the_first_of_a_line_is_put_away_before_all_of_it(store: Plant) -> None:
    kind, (name,) = await classed(store)
    task = await put_away_task(store, name, 4, "bin")
    rewrite(store, "update receipt set arrive_time = arrive_time - interval '2 hours' where name = %s", task.receipt)
    await put_away(store, task, "bin")
    for measure in ("dock_to_stock_median", "dock_to_stock_all_median", "dock_to_stock_p90"):
        found = await over(store, measure, kind, -1, 1)
        assert (round(D(found.value.value), 1), found.record_count) == (D(2), 1), measure
    columns = store.value(
        "materials", "select string_agg(column_name, ', ') from information_schema.columns"
        " where table_name = 'put_away_task' and column_name not in ('name', 'state', 'movement')",
    )  # fmt: skip
    another = (
        f"insert into put_away_task (name, state, movement, {columns})"  # noqa: S608
        f" select name || '-b', 'READY', '', {columns} from put_away_task where receipt = %s"
    )
    rewrite(store, another, task.receipt)
    assert (await over(store, "dock_to_stock_median", kind, -1, 1)).record_count == 1
    rest = await over(store, "dock_to_stock_all_median", kind, -1, 1)
    assert (rest.status, left_out(rest)) == (Measure.INSUFFICIENT_DATA, {"not put away yet": 1})
    rewrite(store, "update put_away_task set state = 'CANCELLED' where receipt = %s and movement = ''", task.receipt)


@pytest.mark.rule("MAT-331")
async def test_what_is_in_process_and_for_how_long(store: Plant) -> None:
    """Four of ten pieces staged; two done after 2 hours, one after 6: out 3, Σ 2·2 + 6, one left since 8 hours."""
    kind = fresh("class")
    part = await item(store, standard_cost=eur(10))
    made = await item(store, item_class=kind)
    await bill(store, [component(part)], item=made)
    await line(store)
    await stocked(store, part, 10)
    order = await ordered(store, made, 4)
    await staged(store, order.name, 4)
    await store("sam", production_pb2.IssueComponentsRequest(name=order.name, stocks=[some(1, 4)]))
    assert parts(await measured(store, "wip_units", kind)) == ("4", D(4), D(1), 1)
    assert parts(await measured(store, "wip_value", kind))[:2] == ("40", D(40))
    first, second = [await reported(store, order.name, number) for number in (2, 1)]
    assert parts(await measured(store, "wip_units", kind))[:2] == ("1", D(1))
    assert parts(await measured(store, "wip_value", kind))[:2] == ("10", D(10))
    begun = noon(-1, 8)
    for made_by, hours in ((first, 2), (second, 6)):
        rewrite(
            store, "update production_report set start_time = %s, end_time = %s where name = %s", begun,
            begun + timedelta(hours=hours), made_by.name,
        )  # fmt: skip
    found = await over(store, "cycle_time", kind, -1, 0)
    assert (parts(found), left_out(found)) == (("3.333333", D(10), D(3), 2), {"still in process": 1})
    # yesterday the one that is left was in process from 8 in the morning to midnight
    rest = noon(0, 0).astimezone(UTC) - begun.astimezone(UTC)
    assert parts(await over(store, "cycle_time_little", kind, -1, 0))[1:3] == (D(10 + rest // timedelta(hours=1)), D(3))
    rewrite(
        store, "update production_operation set wip_since = now() - interval '8 hours' where production_order = %s",
        order.name,
    )  # fmt: skip
    age = await measured(store, "wip_age", kind)
    assert (round(D(age.value.value), 1), D(age.denominator.value)) == (D(8), D(1))


@pytest.mark.rule("MAT-331")
async def test_reservations_that_holds_broke(store: Plant) -> None:
    kind, (name,) = await classed(store, tracking="LOT")
    lots = [await lot(store, name) for _ in range(2)]
    for one in lots:
        await stocked(store, name, 5, lot=one)
    for amount in (2, 3):
        await reserved(store, name, amount)
    for one in lots:
        await hold(store, scope="LOT", lot=one)
    broken = await measured(store, "broken_reservations", kind)
    assert parts(broken)[2:] == (D(2), 2)
    assert D(broken.numerator.value) >= 2


@pytest.mark.rule("MAT-331")
async def test_an_exercise_in_finding_all(store: Plant) -> None:
    """Ten came by opening and six are edges of nobody's book: the clock of the case is the one that is shown."""
    kind = fresh("class")
    lots = dict(await named_lots(store, "m1", "m2"))
    await wire(store, lots, "m1>m2")
    name = lots["m1"].rsplit("/", 2)[0]
    rewrite(store, "update item set item_class = %s where name = %s", kind, name)
    for one in lots.values():
        await stocked(store, name, 10, lot=one)
    nothing = await measured(store, "mock_recall_time", kind)
    assert nothing.status == Measure.INSUFFICIENT_DATA
    case = await store("ines", recalls_pb2.RunMockRecallRequest(parent=SITE, lot=lots["m1"], reason="exercise"))
    found = await measured(store, "mock_recall_time", kind)
    assert D(found.value.value) == D(case.locate_duration.ToMicroseconds()) / 1_000_000
    assert parts(await measured(store, "mock_recall_gap", kind)) == ("0", D(0), D(20), 2)
    rewrite(store, "update recall_lot set gap = -3 where lot = %s", lots["m1"])
    assert parts(await measured(store, "mock_recall_gap", kind))[0] == "15"


@pytest.mark.rule("MAT-331")
async def test_what_people_did_against_what_was_asked(store: Plant) -> None:
    """One of two tasks with a skipped scan, one of two reports with too little at the line: half of all."""
    kind, (name, part) = await classed(store, 2)
    where, cart, staging = await yard(store)
    await stocked(store, name, 9, where)
    for skipped in ((), ("SOURCE",)):
        await waved(store, await demand(store, name, 2, staging))
        pick = await only(store, name, "PICK")
        scan = scanned(pick, cart, skipped=skipped, from_location="" if skipped else pick.from_location)
        await store("sam", tasks_pb2.ConfirmTaskRequest(name=pick.name, scan=scan))
        assert list((await get(store, pick)).skipped_scans) == list(map(tasks_pb2.TaskScan.Part.Value, skipped))
    made = await item(store, item_class=kind)
    await bill(store, [component(part)], item=made)
    place = at(fresh("line"))
    await line(store, place.rsplit("/", 1)[-1])
    asked = item_settings_pb2.CreateItemSettingsRequest(parent=SITE, item_settings_id=part.removeprefix("items/"))
    asked.item_settings.shortage = item_settings_pb2.ItemSettings.WARN
    await store("mara", asked)
    await stocked(store, part, 3)
    order = await ordered(store, made, 5, line_location=place)
    await staged(store, order.name, 3)
    outcomes = await reports(store, report(order.name, 2), report(order.name, 2))
    assert [len(outcome.production_report.shortages) for outcome in outcomes] == [0, 1]
    assert parts(await measured(store, "overrides", kind)) == ("50", D(200), D(4), 4)


@pytest.mark.rule("MAT-331")
async def test_the_age_of_what_is_not_sealed_yet(store: Plant) -> None:
    await jobs.seal_ledgers(store.processes["materials"].commands.open_unit)
    _, (name,) = await classed(store)
    await stocked(store, name, 1)
    found = await measured(store, "ledger_unsealed_age")
    if found.status == Measure.VALUE:  # the sealer runs by itself
        assert found.record_count >= 1
        assert 0 <= D(found.value.value) < 60


@pytest.mark.rule("MAT-331")
async def test_scrap_at_cost_and_what_was_used_beyond_the_standard(store: Plant) -> None:
    """2 a piece: 4 good and 1 spoilt take 10 at 1.00; 12 were counted, so 2.00 of 10.00 are beyond the standard."""
    kind, (part,) = await classed(store)
    made = await bill(store, [component(part, 2, manual=True)], item=await item(store, item_class=kind))
    place = (await line(store, fresh("line"))).rpartition("/")[2]
    order = await ordered(store, made, 6, line_location=at(place))
    await stocked(store, part, 12)
    await staged(store, order.name, 6)
    assert (await over(store, "scrap_rate_cost", kind, 0, 1)).status == Measure.INSUFFICIENT_DATA
    counted = some(1, 12, reason_code="SPILLED")
    await reported(store, order.name, 4, scrap=1, consumptions=[counted])
    assert parts(await over(store, "scrap_rate_cost", kind, 0, 1)) == ("20", D(240), D(12), 1)
    cost = await store("vic", production_pb2.GetOrderCostRequest(name=order.name))
    (row,) = cost.variances
    assert (row.item, row.actual.value, row.standard.value, row.value.units) == (part, "12", "10", 2)
    assert (await over(store, "consumption_variance", kind, 0, 1)).status == Measure.INSUFFICIENT_DATA
    for step in (production_pb2.CompleteOrderRequest, production_pb2.CloseOrderRequest):
        await store("mara", step(name=order.name))
    assert parts(await over(store, "consumption_variance", kind, 0, 1)) == ("20", D(200), D(10), 1)
