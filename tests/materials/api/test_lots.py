"""Lots through the api: dates that belong to them, and several that become one."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.materials.v1 import lots_pb2, movements_pb2, reservations_pb2, tasks_pb2

from tests.materials.builders import (
    SITE,
    arrived,
    at,
    call,
    check,
    claim_of,
    contents,
    counted,
    day,
    eur,
    expected,
    fresh,
    item,
    kinds_told,
    lot,
    movement,
    place,
    position,
    post,
    q,
    reason,
    received,
    reserved,
    scanned,
    site,
    stocked,
    told,
    worth,
)
from tests.materials.serials import tool
from tests.plant import Refused
from tests.world import Plant, site_today

Reservation = reservations_pb2.Reservation


async def refusal(plant: Plant, request: Any, person: str = "sam") -> Refused:
    """How a request is refused; nothing is changed by it."""
    before = contents(plant)
    with pytest.raises(Refused) as refused:
        await call(plant, person, request)
    assert contents(plant) == before
    return refused.value


async def read(plant: Plant, name: str) -> Any:
    return await plant("vic", lots_pb2.GetLotRequest(name=name))


def changing(name: str, **given: Any) -> lots_pb2.ChangeLotDatesRequest:
    given.setdefault("reason", "certificate corrected")
    return lots_pb2.ChangeLotDatesRequest(name=name, **given)


def merging(lots: list[str], number: str = "", **given: Any) -> lots_pb2.MergeLotsRequest:
    given.setdefault("location", at("shelf"))
    return lots_pb2.MergeLotsRequest(parent=SITE, lots=lots, number=number or fresh("M"), **given)


async def on_hand(plant: Plant, name: str) -> dict[tuple[str, str], D]:
    """(lot, place) -> on hand of an item."""
    rows = plant.rows(
        "materials", "select lot, location, on_hand from balance where item = %s and not virtual and on_hand > 0", name
    )
    return {(row[0], row[1].rsplit("/", 1)[-1]): row[2] for row in rows}


# --- dates ----------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-12")
async def test_what_the_supplier_said_is_updated_and_nothing_else(store: Plant) -> None:
    name = await lot(store, await item(store, tracking="LOT"), "L-1", supplier_lot="S-1")
    changed = await store(
        "sam",
        lots_pb2.UpdateLotRequest(
            lot=lots_pb2.Lot(name=name, supplier_lot="S-2"), update_mask=FieldMask(paths=["supplier_lot"])
        ),
    )
    assert (changed.number, changed.supplier_lot, changed.etag) == ("L-1", "S-2", '"2"')
    for field, value in (("number", "L-2"), ("expire_date", day(date(2031, 1, 1)))):
        given = lots_pb2.Lot(name=name, **{field: value})
        request = lots_pb2.UpdateLotRequest(lot=given, update_mask=FieldMask(paths=[field]))
        assert (await refusal(store, request)).fields == [field]


@pytest.mark.rule("MAT-13")
async def test_the_dates_of_a_lot_are_changed_by_an_approver_with_a_reason(store: Plant) -> None:
    parent = await item(store, tracking="LOT")
    name = await lot(store, parent, manufacture_date=day(date(2030, 1, 1)), expire_date=day(date(2031, 1, 1)))
    refused = await refusal(store, changing(name, expire_date=day(date(2032, 1, 1))))
    assert refused.code == "PERMISSION_DENIED"
    assert (await refusal(store, changing(name, reason=""), "ada")).fields == ["reason"]
    after = position(store)
    changed = await store("ada", changing(name, expire_date=day(date(2032, 1, 1)), etag='"1"'))
    assert (changed.manufacture_date, changed.expire_date) == (day(date(2030, 1, 1)), day(date(2032, 1, 1)))
    (event,) = told(store, after=after)
    assert (event.lot, event.item, event.expire_date, event.version) == (name, parent, day(date(2032, 1, 1)), 1)
    assert (event.reason, event.manufacture_date) == ("certificate corrected", day(date(2030, 1, 1)))
    audited = store.rows("materials", "select actor, reason from audit where object = %s order by pos", name)
    assert audited[-1] == ("people/ada", "certificate corrected")
    taken = await store("ada", changing(name, cleared_dates=["expire_date"]))
    assert not taken.HasField("expire_date")
    assert (await refusal(store, changing(name, etag='"1"'), "ada")).reason == "ETAG_MISMATCH"
    early = changing(name, best_before_date=day(date(2029, 1, 1)))
    assert (await refusal(store, early, "ada")).fields == ["best_before_date"]
    assert (await refusal(store, changing(name, cleared_dates=["number"]), "ada")).fields == ["cleared_dates[0]"]
    both = changing(name, cleared_dates=["expire_date"], expire_date=day(date(2032, 1, 1)))
    assert (await refusal(store, both, "ada")).fields == ["cleared_dates"]


@pytest.mark.rule("MAT-13")
async def test_other_dates_at_a_receipt_are_refused(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    await expected(store, name, 10)
    days = {
        "manufacture_date": day(date(2030, 1, 1)), "best_before_date": day(date(2030, 6, 1)),
        "expire_date": day(date(2030, 12, 1)),
    }  # fmt: skip
    posted = await received(store, scanned(name, 1, lot_number="L-1", **days))
    made = await read(store, posted.lines[0].lot)
    assert {field: getattr(made, field) for field in days} == days
    receipt = await arrived(store)
    for field in days:
        (outcome,) = await counted(
            store, receipt.name, scanned(name, 1, lot_number="L-1", **{**days, field: day(date(2030, 7, 7))})
        )
        assert (reason(outcome), field in outcome.status.message) == ("LOT_DATE_CONFLICT", True)
    outcomes = await counted(
        store, receipt.name, scanned(name, 1, lot_number="L-1", **days), scanned(name, 1, lot_number="L-1"),
        scanned(name, 1, lot_number="L-2", manufacture_date=day(date(2030, 1, 2)), expire_date=day(date(2030, 1, 1))),
    )  # fmt: skip
    assert [reason(outcome) for outcome in outcomes] == ["", "", "FIELD_INVALID"]
    wrong = lots_pb2.Lot(number="L-3", manufacture_date=day(date(2030, 1, 2)), best_before_date=day(date(2030, 1, 1)))
    refused = await refusal(store, lots_pb2.CreateLotRequest(parent=name, lot=wrong))
    assert refused.fields == ["lot.best_before_date"]


@pytest.mark.rule("MAT-13")
async def test_a_shelf_life_gives_the_expiry_that_nobody_stated(store: Plant) -> None:
    name = await item(store, tracking="LOT", shelf_life_days=10)
    await expected(store, name, 3)
    made, stated = day(date(2030, 1, 25)), day(date(2030, 1, 31))
    posted = await received(
        store, scanned(name, 1, lot_number="A", manufacture_date=made),
        scanned(name, 1, lot_number="B", manufacture_date=made, expire_date=stated), scanned(name, 1, lot_number="C"),
    )  # fmt: skip
    lots = [await read(store, line.lot) for line in posted.lines]
    assert [row.expire_date for row in lots[:2]] == [day(date(2030, 2, 4)), stated]
    assert not lots[2].HasField("expire_date")
    by_hand = await read(store, await lot(store, name, manufacture_date=made))
    assert by_hand.expire_date == day(date(2030, 2, 4))


@pytest.mark.rule("MAT-13")
@pytest.mark.rule("MAT-88")
@pytest.mark.played_partner
async def test_claims_on_a_lot_that_now_expires_before_they_need_it_are_served_anew(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    today = site_today()
    early, late = (
        await lot(store, name, expire_date=day(today + timedelta(days=90))),
        await lot(store, name, expire_date=day(today + timedelta(days=120))),
    )
    await stocked(store, name, 2, lot=early)
    await stocked(store, name, 1, "bin", lot=late)
    soon = await reserved(store, name, 1, need=datetime.now(UTC) + timedelta(days=1), priority=5)
    first = await reserved(store, name, 1, need=datetime.now(UTC) + timedelta(days=60))
    second = await reserved(store, name, 1, need=datetime.now(UTC) + timedelta(days=61))
    assert [row.allocations[0].lot for row in (soon, first, second)] == [early, early, late]
    after = position(store)
    await store("ada", changing(early, expire_date=day(today + timedelta(days=30))))
    found = [await claim_of(store, row.work_order) for row in (soon, first, second)]
    assert [row.state for row in found] == [Reservation.ALLOCATED, Reservation.SHORT, Reservation.ALLOCATED]
    assert [[taken.lot for taken in row.allocations] for row in found] == [[early], [], [late]]
    assert kinds_told(store, after) == ["LotDatesChanged", "ReservationShort"]
    assert early in told(store, "ReservationShort", after=after)[0].cause
    await store("ada", changing(early, expire_date=day(today + timedelta(days=90))))
    assert (await claim_of(store, first.work_order)).state == Reservation.ALLOCATED


@pytest.mark.rule("MAT-14")
async def test_the_age_of_a_lot_is_that_of_its_first_receipt_whatever_moves(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    await expected(store, name, 10)
    posted = await received(store, scanned(name, 4, lot_number="L-1"))
    made = posted.lines[0].lot
    born = (await read(store, made)).first_receipt_time
    assert born == posted.post_time
    await post(store, movement("MOVE", name, 2, lot=made, from_location=at("dock"), to_location=at("bin")))
    await received(store, scanned(name, 1, lot_number="L-1"))
    assert (await read(store, made)).first_receipt_time == born


# --- merges ---------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-14")
@pytest.mark.rule("MAT-135")
@pytest.mark.rule("MAT-184")
async def test_lots_at_one_place_become_a_new_one_with_edges_and_the_same_value(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    await expected(store, name, 9, price=eur(3, 33))
    posted = await received(
        store,
        scanned(name, 2, lot_number="A", expire_date=day(date(2031, 5, 1)), manufacture_date=day(date(2030, 5, 1))),
        scanned(name, 5, lot_number="B", expire_date=day(date(2031, 3, 1)), manufacture_date=day(date(2030, 6, 1))),
    )
    for line in posted.lines:
        await store("sam", tasks_pb2.ConfirmPutAwayRequest(name=line.put_away_task, location=at("shelf")))
    one, two = (line.lot for line in posted.lines)
    before, after = worth(store, name), position(store)
    new = await store("sam", merging([one, two], "AB"))
    assert (new.number, new.item, list(new.merged_from)) == ("AB", name, sorted([one, two]))
    assert (new.expire_date, new.manufacture_date) == (day(date(2031, 3, 1)), day(date(2030, 5, 1)))
    assert (new.first_receipt_time, new.supplier) == (posted.post_time, "suppliers/acme")
    assert list((await read(store, new.name)).merged_from) == sorted([one, two])
    assert await on_hand(store, name) == {(new.name, "shelf"): D(7)}
    assert worth(store, name) == before == (D(7), D("23.31"), D(0))
    (moved,) = told(store, after=after)
    assert (moved.kind, len(moved.entries)) == ("PRODUCE", 6)
    edges = store.rows(
        "materials", "select input_lot, quantity, unit_code, movement, certain, effective_time from genealogy_edge "
        "where output_lot = %s order by input_lot", new.name,
    )  # fmt: skip
    assert [(row[0], row[1]) for row in edges] == sorted([(one, D(2)), (two, D(5))])
    assert {row[2:5] for row in edges} == {("H87", moved.movement, True)}
    await call(store, "stella", movements_pb2.ReverseMovementRequest(name=moved.movement, reason="wrong bin"))
    assert await on_hand(store, name) == {(one, "shelf"): D(2), (two, "shelf"): D(5)}
    assert worth(store, name) == before
    assert list((await read(store, new.name)).merged_from) == []


@pytest.mark.rule("MAT-30")
async def test_a_site_from_before_merges_gets_its_place_for_them_with_the_first(store: Plant) -> None:
    old = await site(store, fresh("old"))
    with store.look("materials") as connection:
        for table in ("location_parent", "location"):
            column = "name" if table == "location" else "location"
            connection.execute(f"delete from {table} where {column} = %s", (f"{old}/locations/v-production",))  # noqa: S608
    shelf = f"{old}/locations/shelf"
    merges = []
    for name in [await item(store, tracking="LOT") for _ in range(3)]:
        lots = [await lot(store, name) for _ in range(2)]
        for one in lots:
            await post(store, movement("OPENING", name, 1, lot=one, to_location=shelf), parent=old)
        merges.append(lots_pb2.MergeLotsRequest(parent=old, lots=lots, number="M", location=shelf))
    made = await asyncio.gather(*(store("sam", merge) for merge in merges))
    assert [len(new.merged_from) for new in made] == [2, 2, 2]
    assert (
        store.value("materials", "select count(*) from location where kind = 'PRODUCTION' and site = %s", old[6:]) == 1
    )
    assert await check(store, old) == []


@pytest.mark.rule("MAT-14")
@pytest.mark.played_partner
async def test_lots_that_may_not_be_merged_stay_apart(store: Plant) -> None:
    name, other, serial_item = (
        await item(store, tracking="LOT"), await item(store, tracking="LOT"), await tool(store, "LOT_AND_SERIAL")
    )  # fmt: skip
    one, two, elsewhere = [await lot(store, name) for _ in range(3)]
    foreign = await lot(store, other)
    tools = [await lot(store, serial_item) for _ in range(2)]
    await stocked(store, name, 3, lot=one)
    await stocked(store, name, 3, lot=two)
    await stocked(store, name, 3, "bin", lot=elsewhere)
    for request, field in (
        (merging([one]), "lots"), (merging([one, one]), "lots"), (merging([one, foreign]), "lots"),
        (merging([one, f"{name}/lots/nothing"]), "lots"), (merging([one, elsewhere]), "lots"),
        (merging([one, two], status="BLOCKED"), "lots"), (merging([one, two], location=at("v-scrap")), "location"),
        (merging([one, two], location=at("nowhere")), "location"),
    ):  # fmt: skip
        assert (await refusal(store, request)).fields[0] == field, request
    apart = await item(store, tracking="LOT", lot_merge_allowed=False)
    for lots in (tools, [await lot(store, apart) for _ in range(2)]):
        forbidden = await refusal(store, merging(lots))
        assert (forbidden.code, forbidden.reason) == ("FAILED_PRECONDITION", "LOT_MERGE_FORBIDDEN")
    taken = await refusal(store, merging([one, two], (await read(store, elsewhere)).number))
    assert taken.reason == "RESOURCE_EXISTS"
    await reserved(store, name, 9)
    held = await refusal(store, merging([one, two]))
    assert (held.reason, held.metadata["lot"]) == ("NOT_ENOUGH_STOCK", min(one, two))
    assert (await refusal(store, merging([one, two]), "tina")).code == "PERMISSION_DENIED"


@pytest.mark.rule("MAT-14")
async def test_what_a_task_still_brings_away_or_a_locked_place_holds_is_not_merged(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    await expected(store, name, 4)
    posted = await received(store, scanned(name, 2, lot_number="A"), scanned(name, 2, lot_number="B"))
    lots = [line.lot for line in posted.lines]
    refused = await refusal(store, merging(lots, location=at("dock")))
    assert (refused.reason, refused.metadata["in_the_way"]) == (
        "LOT_MERGE_FORBIDDEN", min(line.put_away_task for line in posted.lines),
    )  # fmt: skip
    shut = fresh("shut")
    await place(store, shut, blocked=True)
    assert (await refusal(store, merging(lots, location=at(shut)))).reason == "LOCATION_LOCKED"


@pytest.mark.rule("MAT-135")
async def test_edges_are_never_changed(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    lots = [await lot(store, name) for _ in range(2)]
    for one in lots:
        await stocked(store, name, q(1).value, lot=one)
    new = await store("sam", merging(lots))
    with store.look("materials") as connection:
        for statement in (
            "update genealogy_edge set quantity = 2 where output_lot = %s",
            "delete from genealogy_edge where output_lot = %s",
        ):
            with pytest.raises(Exception, match="append"):
                connection.execute(statement, (new.name,))
