"""Reservations through the api: allocation, issue, return, release; demands come from work orders."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import reservations_pb2

from tests.materials.builders import (
    SITE,
    approve,
    at,
    balances,
    check,
    claim_of,
    day,
    eur,
    fresh,
    item,
    kinds_told,
    lot,
    movement,
    place,
    position,
    post,
    q,
    reserved,
    stocked,
    told,
    work_order,
    worth,
)
from tests.plant import Refused
from tests.world import Plant, site_today

Reservation = reservations_pb2.Reservation


async def issue(plant: Plant, name: str, value: str | int, **given: Any) -> Any:
    return await plant("sam", reservations_pb2.IssueReservationRequest(name=name, quantity=q(value), **given))


async def bring_back(plant: Plant, name: str, value: str | int, where: str = "shelf", **given: Any) -> Any:
    return await plant(
        "sam", reservations_pb2.ReturnIssueRequest(name=name, quantity=q(value), location=at(where), **given)
    )


async def release(plant: Plant, name: str) -> Any:
    return await plant("sam", reservations_pb2.ReleaseReservationRequest(name=name, reason="not needed"))


async def allocate(plant: Plant, name: str) -> Any:
    return await plant("sam", reservations_pb2.AllocateReservationRequest(name=name))


def parts(row: Any) -> tuple[str, ...]:
    """Requested, allocated, issued, short, released."""
    return (
        row.requested.value, row.allocated.value, row.issued.value, row.short.value, row.released.value,
    )  # fmt: skip


def places(row: Any) -> list[tuple[str, str, str]]:
    return [
        (taken.location.rsplit("/", 1)[-1], taken.lot.rsplit("/", 1)[-1], taken.quantity.value)
        for taken in row.allocations
    ]


@pytest.mark.rule("MAT-71")
async def test_a_claim_takes_what_is_there_and_is_short_of_the_rest(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 6)
    after = position(store)
    row = await reserved(store, name, 10)
    assert (row.state, row.cover, parts(row)) == (Reservation.SHORT, Reservation.UNCOVERED, ("10", "6", "0", "4", "0"))
    (event,) = told(store, "ReservationShort", after=after)
    assert (event.reservation, event.work_order, event.demand, event.demand_version) == (
        row.name, row.work_order, "d1", 1,
    )  # fmt: skip
    assert (event.item, event.site, event.short_quantity) == (name, SITE, q(4))
    assert (event.cover, event.cause, event.version) == ("UNCOVERED", "not enough free stock", 1)
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(6), D(6))}


@pytest.mark.rule("MAT-70")
async def test_a_covered_claim_says_which_stock_it_took(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 6)
    await stocked(store, name, 6, "bin")
    after = position(store)
    row = await reserved(store, name, 10)
    assert (row.state, parts(row)) == (Reservation.ALLOCATED, ("10", "10", "0", "0", "0"))
    (event,) = told(store, "ReservationAllocated", after=after)
    assert (event.quantity, event.version) == (q(10), 1)
    assert sum(D(taken.quantity.value) for taken in event.allocations) == 10
    assert {at(where): value for where, _, value in places(row)} == {
        taken.location: taken.quantity.value for taken in event.allocations
    }


@pytest.mark.rule("MAT-85")
@pytest.mark.rule("MAT-86")
async def test_stock_is_taken_by_expiry_and_never_when_it_expires_before_the_need(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    today = site_today()
    late = await lot(store, name, expire_date=day(today + timedelta(days=60)))
    soon = await lot(store, name, expire_date=day(today + timedelta(days=30)))
    none = await lot(store, name)
    gone = await lot(store, name, expire_date=day(today - timedelta(days=2)))
    for number in (none, late, soon, gone):
        await stocked(store, name, 5, lot=number)
    row = await reserved(store, name, 12, need=datetime.now(UTC) + timedelta(days=10))
    assert {taken.lot: taken.quantity.value for taken in row.allocations} == {soon: "5", late: "5", none: "2"}
    far = await reserved(store, name, 5, need=datetime.now(UTC) + timedelta(days=90))
    assert {taken.lot: taken.quantity.value for taken in far.allocations} == {none: "3"}
    assert far.short.value == "2"


@pytest.mark.rule("MAT-78")
async def test_stock_that_comes_goes_by_priority_then_need_then_age(store: Plant) -> None:
    name = await item(store)
    soon, later = datetime.now(UTC) + timedelta(days=1), datetime.now(UTC) + timedelta(days=9)
    third = await reserved(store, name, 4, priority=3, need=later)
    fourth = await reserved(store, name, 4, priority=3, need=later)
    second = await reserved(store, name, 4, priority=3, need=soon)
    first = await reserved(store, name, 4, priority=1, need=later)
    after = position(store)
    await stocked(store, name, 10)
    assert [event.reservation for event in told(store, "ReservationAllocated", after=after)] == [
        first.name, second.name,
    ]  # fmt: skip
    rows = [await claim_of(store, row.work_order) for row in (first, second, third, fourth)]
    assert [row.allocated.value for row in rows] == ["4", "4", "2", "0"]
    assert rows[2].state == Reservation.SHORT


@pytest.mark.rule("MAT-79")
async def test_an_issue_hands_out_what_is_allocated_with_its_cost(store: Plant) -> None:
    name = await item(store, standard_cost=eur(5))
    await stocked(store, name, 10)
    row = await reserved(store, name, 6)
    after = position(store)
    issued = await issue(store, row.name, 4)
    assert (issued.state, parts(issued)) == (Reservation.ALLOCATED, ("6", "2", "4", "0", "0"))
    assert kinds_told(store, after) == ["ReservationIssued", "MovementPosted"]
    event, moved = told(store, after=after)
    assert (event.quantity, event.cost, event.movement, event.version) == (q(4), eur(20), moved.movement, 2)
    assert (event.work_order, event.demand, event.demand_version, event.item) == (row.work_order, "d1", 1, name)
    assert (moved.kind, moved.source) == ("ISSUE", row.name)
    assert [entry.location for entry in moved.entries] == [at("shelf"), at("v-consumed")]
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(6), D(2))}
    done = await issue(store, row.name, 2)
    assert (done.state, parts(done), done.allocations) == (Reservation.ISSUED, ("6", "0", "6", "0", "0"), [])
    assert worth(store, name) == (D(4), D(20), D(0))


@pytest.mark.rule("MAT-79")
async def test_more_than_is_allocated_is_not_handed_out(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    row = await reserved(store, name, 6)
    for value, given in ((7, {}), (1, {"location": at("bin")}), (1, {"lot": "items/x/lots/y"})):
        with pytest.raises(Refused) as refused:
            await issue(store, row.name, value, **given)
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "TOLERANCE_EXCEEDED")
        assert refused.value.metadata["asked"] == str(value)
    assert parts(await claim_of(store, row.work_order)) == ("6", "6", "0", "0", "0")


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        (q("-1"), "FIELD_INVALID"),
        (q("0"), "FIELD_INVALID"),
        (q("0.5"), "QUANTITY_NOT_ON_GRID"),
        (q("1", "KGM"), "UNIT_INCOMPATIBLE"),
    ],
)
async def test_a_wrong_quantity_is_neither_issued_nor_returned(store: Plant, quantity: Any, reason: str) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    row = await reserved(store, name, 6)
    await issue(store, row.name, 3)
    for request in (
        reservations_pb2.IssueReservationRequest(name=row.name, quantity=quantity),
        reservations_pb2.ReturnIssueRequest(name=row.name, quantity=quantity, location=at("shelf")),
    ):
        with pytest.raises(Refused) as refused:
            await store("sam", request)
        assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", reason)
    assert parts(await claim_of(store, row.work_order)) == ("6", "3", "3", "0", "0")


@pytest.mark.rule("MAT-86")
async def test_a_lot_is_not_handed_out_after_its_last_day(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    mine = await lot(store, name, expire_date=day(site_today() + timedelta(days=2)))
    await stocked(store, name, 5, lot=mine)
    row = await reserved(store, name, 5)
    with store.look("materials") as connection:
        connection.execute("update lot set expire_date = current_date - 2 where name = %s", [mine])
    with pytest.raises(Refused) as refused:
        await issue(store, row.name, 1)
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "LOT_EXPIRED")


@pytest.mark.rule("MAT-48")
@pytest.mark.rule("MAT-46")
async def test_a_return_names_its_issue_and_has_the_value_of_it(store: Plant) -> None:
    name = await item(store, standard_cost=eur(3, 33))
    await stocked(store, name, 3)
    row = await reserved(store, name, 3)
    await issue(store, row.name, 3)
    await post(store, movement("OPENING", name, 10, to_location=at("bin")))
    after = position(store)
    back = await bring_back(store, row.name, 1, "bin")
    assert (back.state, parts(back)) == (Reservation.ISSUED, ("3", "0", "2", "0", "1"))
    assert kinds_told(store, after) == ["ReservationIssued", "MovementPosted"]
    event, moved = told(store, after=after)
    assert (event.quantity, event.cost) == (q(-1), eur(-3, -33))
    assert (moved.kind, moved.source) == ("RETURN_TO_STOCK", row.name)
    with pytest.raises(Refused) as refused:
        await bring_back(store, row.name, 3)
    assert (refused.value.reason, refused.value.metadata["issued"]) == ("TOLERANCE_EXCEEDED", "2")
    await bring_back(store, row.name, 2)
    assert worth(store, name) == (D(13), D("43.29"), D(0))
    with pytest.raises(Refused) as nothing:
        await bring_back(store, row.name, 1)
    assert nothing.value.reason == "TOLERANCE_EXCEEDED"


@pytest.mark.rule("MAT-48")
async def test_only_a_lot_that_was_handed_out_comes_back(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    one, two = await lot(store, name), await lot(store, name)
    await stocked(store, name, 2, lot=one)
    await stocked(store, name, 2, lot=two)
    row = await reserved(store, name, 4)
    await issue(store, row.name, 2, lot=one)
    with pytest.raises(Refused) as other:
        await bring_back(store, row.name, 1, lot=two)
    assert other.value.reason == "TOLERANCE_EXCEEDED"
    assert (await bring_back(store, row.name, 1)).issued.value == "1"
    await issue(store, row.name, 2, lot=two)
    with pytest.raises(Refused) as which:
        await bring_back(store, row.name, 1)
    assert which.value.fields == ["lot"]
    await bring_back(store, row.name, 2, lot=two)
    assert await check(store) == []


async def test_a_return_goes_to_a_place_of_the_site(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 3)
    row = await reserved(store, name, 3)
    await issue(store, row.name, 3)
    for where in ("nowhere", "v-scrap"):
        with pytest.raises(Refused) as refused:
            await bring_back(store, row.name, 1, where)
        assert refused.value.fields == ["location"]
    with pytest.raises(Refused) as group:
        await bring_back(store, row.name, 1, "hall")
    assert group.value.reason == "LOCATION_LOCKED"


@pytest.mark.rule("MAT-79")
async def test_a_release_gives_back_what_is_left_and_the_next_gets_it(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    first, second = await reserved(store, name, 8), await reserved(store, name, 6)
    assert second.short.value == "4"
    await issue(store, first.name, 3)
    after = position(store)
    done = await release(store, first.name)
    assert (done.state, parts(done)) == (Reservation.RELEASED, ("8", "0", "3", "0", "5"))
    assert kinds_told(store, after) == ["ReservationReleased", "ReservationAllocated"]
    event = told(store, "ReservationReleased", after=after)[0]
    assert (event.quantity, event.reason, event.requested_by) == (q(5), "not needed", "people/sam")
    assert parts(await claim_of(store, second.work_order)) == ("6", "6", "0", "0", "0")


async def test_what_has_ended_is_neither_issued_released_nor_allocated(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 2)
    row = await reserved(store, name, 2)
    with pytest.raises(Refused) as covered:
        await allocate(store, row.name)
    assert covered.value.reason == "TRANSITION_NOT_ALLOWED"
    await release(store, row.name)
    for call in (
        lambda: issue(store, row.name, 1),
        lambda: release(store, row.name),
        lambda: allocate(store, row.name),
    ):
        with pytest.raises(Refused) as refused:
            await call()
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED")
        assert refused.value.metadata["state"] == "RELEASED"


async def test_allocating_again_takes_stock_that_became_usable_meanwhile(store: Plant) -> None:
    name, shut = await item(store), fresh("shut")
    await place(store, shut)
    await stocked(store, name, 5, shut)
    with store.look("materials") as connection:
        connection.execute("update location set blocked = true where name = %s", [at(shut)])
    row = await reserved(store, name, 5)
    assert row.state == Reservation.SHORT
    with store.look("materials") as connection:
        connection.execute("update location set blocked = false where name = %s", [at(shut)])
    after = position(store)
    assert (await allocate(store, row.name)).state == Reservation.ALLOCATED
    assert kinds_told(store, after) == ["ReservationAllocated"]


async def test_reservations_are_read_and_listed(store: Plant) -> None:
    name, order = await item(store), work_order()
    need = datetime.now(UTC) + timedelta(days=3)
    await approve(store, order, {"d1": (name, 2), "d2": (name, 3)}, need=need, priority=2)
    await store.settle()
    row = await claim_of(store, order, "d2")
    read = await store("vic", reservations_pb2.GetReservationRequest(name=row.name))
    assert (read, read.priority, read.demand) == (row, 2, "d2")
    assert read.need_time.ToDatetime(tzinfo=UTC) == need
    for text, count in {
        f'item = "{name}"': 2,
        f'work_order = "{order}" AND state = SHORT': 2,
        f'work_order = "{order}" AND state = ALLOCATED': 0,
        f'item = "{name}" AND cover = UNCOVERED AND priority = 2': 2,
        f'item = "{name}" AND need_time < "{date(2020, 1, 1).isoformat()}T00:00:00Z"': 0,
    }.items():
        found = await store("vic", reservations_pb2.ListReservationsRequest(parent=SITE, filter=text))
        assert len(found.reservations) == count, text
    with pytest.raises(Refused) as refused:
        await store("vic", reservations_pb2.GetReservationRequest(name=f"{SITE}/reservations/nothing"))
    assert refused.value.code == "NOT_FOUND"
