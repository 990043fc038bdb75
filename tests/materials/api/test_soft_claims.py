"""Soft claims: they hold nothing until their window, are promised what will be there, move and expire."""

from datetime import timedelta
from typing import Any

import pytest
from plantops.maintenance.v1 import events_pb2 as maintenance
from plantops.materials.v1 import reservations_pb2

from services.materials import jobs
from tests.materials.builders import (
    approve,
    balances,
    claim_of,
    day,
    expected,
    item,
    kinds_told,
    lot,
    numbered,
    position,
    reserved,
    stocked,
    tell,
    told,
    work_order,
)
from tests.materials.claims import ahead, claimed, in_force, instant, parts, read
from tests.materials.test_invariants import broken
from tests.world import Plant, site_today

Reservation = reservations_pb2.Reservation


async def windowed(plant: Plant, hours: int = 48, **given: Any) -> str:
    """An item whose claims take stock so long before the need."""
    name = await item(plant)
    await in_force(plant, item=name, window_hours=hours, **given)
    return name


async def run_job(plant: Plant) -> None:
    await jobs.harden_claims(plant.processes["materials"].commands.open_unit)


async def reschedule(plant: Plant, order: str, **given: float) -> None:
    event = maintenance.WorkOrderRescheduled(work_order=order, reason="moved")
    event.planned_start_time.CopyFrom(instant(ahead(**given)))
    await tell(plant, "maintenance", numbered(event, order))


@pytest.mark.rule("MAT-76")
async def test_a_claim_before_its_window_is_promised_stock_and_holds_none(store: Plant) -> None:
    name = await windowed(store)
    await stocked(store, name, 10)
    after = position(store)
    row = await reserved(store, name, 4, need=ahead(days=10))
    assert (row.state, parts(row)) == (Reservation.PENDING, {"requested": "4", "pending": "4"})
    assert row.hard_time == instant(row.need_time.ToDatetime() - timedelta(hours=48))
    assert kinds_told(store, after) == []
    near = await reserved(store, name, 7, need=ahead(hours=47))
    assert (near.state, near.HasField("hard_time")) == (Reservation.ALLOCATED, False)
    now = await reserved(store, name, 3)
    assert (now.state, parts(now)) == (Reservation.ALLOCATED, {"requested": "3", "allocated": "3"})
    assert broken(store) == []


@pytest.mark.rule("MAT-76")
async def test_when_the_window_comes_the_claim_takes_stock_in_its_turn(store: Plant) -> None:
    name = await windowed(store)
    await stocked(store, name, 5)
    later = await claimed(store, name, 4, need_time=instant(ahead(days=9)), priority=2)
    first = await claimed(store, name, 3, need_time=instant(ahead(days=9)), priority=1)
    after = position(store)
    with store.look("materials") as connection:
        connection.execute("update reservation set hard_time = now() where item = %s", [name])
    await run_job(store)
    rows = [await read(store, row.name) for row in (first, later)]
    assert [parts(row) for row in rows] == [
        {"requested": "3", "allocated": "3"}, {"requested": "4", "allocated": "2", "short": "2"},
    ]  # fmt: skip
    assert not rows[0].HasField("hard_time")
    assert [(event.DESCRIPTOR.name, event.reservation) for event in told(store, after=after)] == [
        ("ReservationAllocated", first.name), ("ReservationShort", later.name),
    ]  # fmt: skip
    await run_job(store)
    assert len(told(store, after=after)) == 2


@pytest.mark.rule("MAT-76")
async def test_a_soft_claim_takes_stock_when_somebody_asks_for_it(store: Plant) -> None:
    name = await windowed(store)
    await stocked(store, name, 3)
    row = await claimed(store, name, 4, need_time=instant(ahead(days=9)))
    assert (row.state, parts(row)) == (Reservation.SHORT, {"requested": "4", "pending": "3", "short": "1"})
    done = await store("sam", reservations_pb2.AllocateReservationRequest(name=row.name))
    assert (done.state, parts(done)) == (Reservation.SHORT, {"requested": "4", "allocated": "3", "short": "1"})
    assert not done.HasField("hard_time")


@pytest.mark.rule("MAT-76")
@pytest.mark.rule("MAT-71")
async def test_what_cannot_be_promised_is_short_until_stock_comes(store: Plant) -> None:
    name = await windowed(store)
    after = position(store)
    row = await claimed(store, name, 4, need_time=instant(ahead(days=9)))
    assert (row.state, row.cover, parts(row)) == (
        Reservation.SHORT, Reservation.UNCOVERED, {"requested": "4", "short": "4"},
    )  # fmt: skip
    assert [event.short_quantity.value for event in told(store, "ReservationShort", after=after)] == ["4"]
    await stocked(store, name, 9)
    row = await read(store, row.name)
    assert (row.state, row.cover, parts(row)) == (
        Reservation.PENDING, Reservation.COVER_UNSPECIFIED, {"requested": "4", "pending": "4"},
    )  # fmt: skip
    assert sum(taken for _, taken in (await balances(store, name)).values()) == 0


@pytest.mark.rule("MAT-71")
async def test_what_an_expected_receipt_brings_is_neither_short_nor_pending(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 1)
    await expected(store, name, 5, expected=site_today() + timedelta(days=3))
    row = await reserved(store, name, 4)
    assert (row.state, row.cover) == (Reservation.SHORT, Reservation.COVERED_BY_SUPPLY)
    assert parts(row) == {"requested": "4", "allocated": "1", "supply_covered": "3"}
    await stocked(store, name, 2)
    row = await read(store, row.name)
    assert parts(row) == {"requested": "4", "allocated": "3", "supply_covered": "1"}
    assert broken(store) == []


@pytest.mark.rule("MAT-76")
@pytest.mark.played_partner
async def test_a_need_that_moves_out_of_the_window_gives_its_stock_back(store: Plant) -> None:
    name, order = await windowed(store), work_order()
    await stocked(store, name, 5)
    await approve(store, order, {"d1": (name, 5)}, need=ahead(hours=3))
    other = await claimed(store, name, 2)
    assert parts(other) == {"requested": "2", "short": "2"}
    await reschedule(store, order, days=30)
    row = await claim_of(store, order)
    assert (row.state, parts(row)) == (Reservation.SHORT, {"requested": "5", "pending": "3", "short": "2"})
    assert parts(await read(store, other.name)) == {"requested": "2", "allocated": "2"}
    await reschedule(store, order, hours=5)
    row = await claim_of(store, order)
    assert (row.state, parts(row)) == (Reservation.SHORT, {"requested": "5", "allocated": "3", "short": "2"})
    assert broken(store) == []


@pytest.mark.rule("MAT-76")
async def test_a_soft_claim_expires_by_the_clock_of_the_database(store: Plant) -> None:
    name = await windowed(store, soft_life_hours=2)
    await stocked(store, name, 9)
    keep = await claimed(store, name, 1, need_time=instant(ahead(days=9)))
    gone = await claimed(store, name, 2, need_time=instant(ahead(days=9)))
    lacking = await claimed(store, name, 9, need_time=instant(ahead(days=9)))
    hard = await claimed(store, name, 3)
    assert keep.expire_time.ToDatetime() - keep.create_time.ToDatetime() == timedelta(hours=2)
    assert not hard.HasField("expire_time")
    after = position(store)
    with store.look("materials") as connection:
        connection.execute(
            "update reservation set expire_time = now() where name = any(%s)", [[gone.name, lacking.name]]
        )
    await run_job(store)
    states = [(await read(store, row.name)).state for row in (keep, gone, lacking, hard)]
    assert states == [Reservation.PENDING, Reservation.EXPIRED, Reservation.RELEASED, Reservation.ALLOCATED]
    assert parts(await read(store, gone.name)) == {"requested": "2", "released": "2"}
    assert {(event.reservation, event.reason) for event in told(store, "ReservationReleased", after=after)} == {
        (gone.name, "it has expired"), (lacking.name, "it has expired"),
    }  # fmt: skip


@pytest.mark.rule("MAT-87")
async def test_a_kind_of_demand_asks_for_the_life_that_is_left(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    await in_force(store, item=name, minimum_lives=[{"demand_kind": "SALES_ORDER", "days": 30}])
    soon = await lot(store, name, expire_date=day(site_today() + timedelta(days=10)))
    late = await lot(store, name, expire_date=day(site_today() + timedelta(days=40)))
    for number in (soon, late):
        await stocked(store, name, 2, lot=number)
    sold = await claimed(store, name, 2, demand_kind="SALES_ORDER")
    assert [taken.lot for taken in sold.allocations] == [late]
    repair = await claimed(store, name, 2, demand_kind="REPAIR")
    assert [taken.lot for taken in repair.allocations] == [soon]
    strict = await claimed(store, name, 1, minimum_remaining_life_days=5, demand_kind="REPAIR")
    assert parts(strict) == {"requested": "1", "short": "1"}
