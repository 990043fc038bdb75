"""Waves: what is allocated and has room is picked; short picks, empty bins, clusters."""

import asyncio
from decimal import Decimal as D
from typing import Any

import pytest
from plantops.maintenance.v1 import events_pb2 as maintenance
from plantops.materials.v1 import reservations_pb2, tasks_pb2, waves_pb2

from services.materials.model import ledger
from services.materials.model.breaking import break_claims
from services.materials.model.reservation import Reservation
from tests.materials.builders import (
    SITE,
    at,
    balances,
    claim_of,
    fresh,
    handling_units,
    item,
    lot,
    numbered,
    place,
    position,
    q,
    stocked,
    tell,
    told,
    work_order,
)
from tests.materials.places import moved, refusal
from tests.materials.tasks import Scan, Task, Wave, confirm, demand, get, only, short, tasks_of, waved, yard
from tests.statements import statements_of
from tests.world import Plant


@pytest.mark.rule("MAT-107")
async def test_a_wave_with_a_short_pick(store: Plant) -> None:
    """Two orders are picked in one wave; of one part a bin holds less than the books say, and another bin helps."""
    first, cart, staging = await yard(store)
    second = fresh("bin")
    await place(store, second, path_order=9)
    part, other = await item(store), await item(store)
    await stocked(store, part, 5, first)
    await stocked(store, part, 5, second)
    await stocked(store, other, 2, first)
    mine, theirs = await demand(store, part, 4, staging), await demand(store, other, 2, staging)
    wave = await waved(store, mine, theirs)
    assert (wave.state, [(line.released, line.left_out_reason) for line in wave.lines]) == (
        Wave.RELEASED, [(True, "")] * 2,
    )  # fmt: skip
    task = await only(store, part)
    assert (task.from_location, task.wave, task.reservation) == (at(first), wave.name, mine.name)
    done = await short(store, task, cart, 1, reason_code="NOT_FOUND")
    assert (done.state, done.done_quantity, done.short_reason) == (Task.SHORTENED, q(1), "NOT_FOUND")
    rest = await only(store, part, "PICK")
    assert (rest.from_location, rest.quantity, rest.predecessor, rest.wave) == (at(second), q(3), task.name, wave.name)
    counting = await only(store, part, "COUNT")
    assert (counting.from_location, counting.predecessor) == (at(first), task.name)
    await confirm(store, rest, cart)
    for stage in await tasks_of(store, part, "STAGE"):
        await confirm(store, stage, staging)
    assert (await balances(store, part))[staging, "UNRESTRICTED"] == (D(4), D(4))
    assert (await claim_of(store, mine.work_order, mine.demand)).allocated == q(4)
    scan = Scan(from_location=at(first), quantity=q(0))
    counted = await store("sam", tasks_pb2.ConfirmTaskRequest(name=counting.name, scan=scan))
    assert (counted.state, counted.done_quantity) == (Task.COMPLETED, q(0))


@pytest.mark.rule("MAT-107")
async def test_a_short_pick_without_other_stock_leaves_the_order_short_and_may_lock_the_bin(store: Plant) -> None:
    where, cart, staging = await yard(store)
    name = await item(store)
    await stocked(store, name, 5, where)
    claim = await demand(store, name, 4, staging)
    await waved(store, claim)
    task = await only(store, name)
    for found, field in ((4, "scan.quantity.value"), (-1, "scan.quantity.value")):
        assert (await refusal(short(store, task, cart, found))).metadata["field"] == field
    before = position(store)
    await short(store, task, "", 0, lock_bin=True, reason_code="DAMAGED")
    (event,) = [row for row in told(store, "ReservationShort", after=before) if row.reservation == claim.name]
    assert (event.short_quantity, event.cause) == (q(4), f"DAMAGED at {at(where)}")
    assert await tasks_of(store, name, "PICK") == []
    assert (await balances(store, name))[where, "UNRESTRICTED"] == (D(5), D(0))
    late = await demand(store, name, 1, staging)
    assert late.allocated == q(0)  # nothing of it is given out until it is counted
    counting = await only(store, name, "COUNT")
    fault = await refusal(short(store, counting, "", 0))
    assert (fault.reason, fault.metadata["field"]) == ("FIELD_INVALID", "name")
    scan = Scan(from_location=at(where), quantity=q(5))
    await store("sam", tasks_pb2.ConfirmTaskRequest(name=counting.name, scan=scan))
    assert (await claim_of(store, claim.work_order, claim.demand)).allocated == q(4)
    assert (await claim_of(store, late.work_order, late.demand)).allocated == q(1)


@pytest.mark.rule("MAT-108")
async def test_a_bin_that_should_be_empty_is_looked_at(store: Plant) -> None:
    where, cart, staging = await yard(store)
    results = []
    for value, there, seen in ((2, 2, "EMPTY"), (2, 2, "NOT_EMPTY"), (1, 2, "EMPTY"), (1, 2, "NOT_EMPTY")):
        name = await item(store)
        await stocked(store, name, there, where)
        await waved(store, await demand(store, name, value, staging))
        task = await only(store, name)
        if value == there:
            fault = await refusal(confirm(store, task, cart))
            assert (fault.code, fault.reason) == ("FAILED_PRECONDITION", "ZERO_CHECK_NEEDED")
            assert (await get(store, task)).state == Task.READY
        await confirm(store, task, cart, rest=seen)
        rows = store.rows(
            "materials",
            "select empty, person from zero_confirmation where location = %s and item = %s",
            at(where),
            name,
        )
        results.append((rows, len(await tasks_of(store, name, "COUNT"))))
        if value < there:
            await moved(store, name, where, "shelf", there - value)
    assert results == [
        ([(True, "people/sam")], 0), ([(False, "people/sam")], 1), ([(True, "people/sam")], 1), ([], 0),
    ]  # fmt: skip


@pytest.mark.rule("MAT-110")
async def test_a_wave_releases_what_is_allocated_and_has_room_at_its_staging(store: Plant) -> None:
    name = await item(store)
    where, cart, staging = await yard(store, limits={"item_limits": [{"item": name, "quantity": q(5)}]})
    await stocked(store, name, 9, where)
    fits, too_much, without = [
        await demand(store, name, value, to) for value, to in ((3, staging), (4, staging), (2, ""))
    ]
    short_one = await demand(store, name, 1, staging)
    assert short_one.allocated == q(0)
    wave = await waved(store, fits, too_much, without, short_one)
    reasons = {line.reservation: (line.released, line.left_out_reason) for line in wave.lines}
    assert reasons[fits.name] == (True, "")
    assert reasons[too_much.name][0] is False
    assert "takes at most 5 H87 by item_limits: 0 are there, 3 on their way" in reasons[too_much.name][1]
    assert reasons[without.name] == (False, "it has no staging place")
    assert reasons[short_one.name] == (False, "nothing of it is allocated in a bin")
    task = await only(store, name)
    await confirm(store, task, cart)
    stage = await only(store, name, "STAGE")
    assert await released(store, wave) == 1  # on its way still
    await confirm(store, stage, staging)
    request = reservations_pb2.IssueReservationRequest(name=fits.name, quantity=q(3), location=at(staging))
    await store("sam", request)
    assert await released(store, wave) == 2
    assert (await only(store, name)).reservation == too_much.name
    stored = await store("vic", waves_pb2.GetWaveRequest(name=wave.name))
    assert stored.release_time.seconds > 0
    listed = await store("vic", waves_pb2.ListWavesRequest(parent=SITE, filter="state = RELEASED"))
    assert wave.name in {row.name for row in listed.waves}


async def released(plant: Plant, wave: Any) -> int:
    """How many reservations of a wave have picks after another release."""
    answer = await plant("sam", waves_pb2.ReleaseWaveRequest(name=wave.name))
    return sum(line.released for line in answer.lines)


@pytest.mark.rule("MAT-110")
async def test_a_cluster_pick_goes_into_the_unit_of_its_order_confirmed_by_scanning_it(
    store: Plant, pallet: str
) -> None:
    where, cart, staging = await yard(store)
    units = [unit.name for unit in await handling_units(store, pallet, 2, cart)]
    name = await item(store)
    await stocked(store, name, 9, where)
    claims = [await demand(store, name, value, staging) for value in (2, 3)]
    await waved(store, *claims, units=tuple(units))
    tasks = {task.reservation: task for task in await tasks_of(store, name)}
    mine = tasks[claims[0].name]
    assert mine.to_handling_unit == units[0]
    fault = await refusal(confirm(store, mine, cart, to_handling_unit=units[1]))
    assert (fault.reason, fault.metadata["expected"]) == ("SCAN_MISMATCH", units[0])
    assert (await refusal(confirm(store, mine, cart))).metadata["field"] == "scan.to_handling_unit"
    for claim, unit in zip(claims, units, strict=True):
        await confirm(store, tasks[claim.name], "", to_handling_unit=unit)
    stages = {task.reservation: task for task in await tasks_of(store, name, "STAGE")}
    assert stages[mine.reservation].handling_unit == units[0]
    await confirm(store, stages[mine.reservation], staging, goods=units[0])
    rows = store.rows(
        "materials",
        "select location, handling_unit, on_hand, reserved from balance where item = %s and on_hand > 0",
        name,
    )
    assert sorted(rows) == sorted(
        [(at(where), "", D(4), D(0)), (at(staging), units[0], D(2), D(2)), (at(cart), units[1], D(3), D(3))]
    )


@pytest.mark.rule("MAT-110")
async def test_what_does_not_fit_into_a_wave_is_refused(store: Plant, pallet: str) -> None:
    where, cart, staging = await yard(store)
    (box,) = await handling_units(store, pallet, 1, cart)
    name = await item(store)
    await stocked(store, name, 9, where)
    one, two = await demand(store, name, 1, staging), await demand(store, name, 1, staging)
    line = Wave.Line
    for wave, field in (
        (Wave(), "wave.lines"),
        (Wave(lines=[line(reservation=one.name)] * 2), "wave.lines"),
        (Wave(lines=[line(reservation=f"{SITE}/reservations/none")]), "wave.lines[0].reservation"),
        (Wave(lines=[line(reservation=one.name)], staging_location=at(where)), "wave.staging_location"),
        (Wave(lines=[line(reservation=one.name)], cluster=True), "wave.lines[0].handling_unit"),
        (Wave(lines=[line(reservation=one.name, handling_unit=box.name)]), "wave.lines[0].handling_unit"),
        (
            Wave(lines=[line(reservation=row.name, handling_unit=box.name) for row in (one, two)], cluster=True),
            "wave.lines[1].handling_unit",
        ),
    ):
        fault = await refusal(store("sam", waves_pb2.CreateWaveRequest(parent=SITE, wave=wave)))
        assert (fault.reason, fault.metadata["field"]) == ("FIELD_INVALID", field)


@pytest.mark.rule("MAT-110")
async def test_two_waves_at_once_do_not_pick_the_same_or_take_the_same_room(store: Plant) -> None:
    name = await item(store)
    where, _, staging = await yard(store, limits={"item_limits": [{"item": name, "quantity": q(5)}]})
    await stocked(store, name, 9, where)
    claims = [await demand(store, name, 3, staging) for _ in range(2)]
    waves = [
        await store("sam", waves_pb2.CreateWaveRequest(parent=SITE, wave=Wave(lines=[Wave.Line(reservation=row.name)])))
        for row in (*claims, *claims)
    ]
    await asyncio.gather(*(store("sam", waves_pb2.ReleaseWaveRequest(name=wave.name)) for wave in waves))
    assert [task.quantity for task in await tasks_of(store, name)] == [q(3)]


@pytest.mark.rule("MAT-110")
async def test_a_wave_takes_as_many_statements_whatever_its_reservations(store: Plant) -> None:
    where, _, staging = await yard(store)
    counts = {}
    with statements_of(store.processes["materials"].engine) as statements:
        for size in (2, 7):
            name = await item(store)
            await stocked(store, name, 9, where)
            order = work_order()
            event = maintenance.WorkOrderApproved(work_order=order, demand_version=1, priority=3)
            for number in range(size):
                event.part_demands.add(demand=f"d{number}", item=name, quantity=q(1), delivery_location=at(staging))
            await tell(store, "maintenance", numbered(event, order), correlation=order)
            answer = await store(
                "vic", reservations_pb2.ListReservationsRequest(parent=SITE, filter=f'work_order = "{order}"')
            )
            await waved(store, *answer.reservations)
            assert len(await tasks_of(store, name)) == size
            counts[size] = len(statements.with_part("INSERT INTO put_away_task"))
    assert counts[2] == counts[7] > 0


@pytest.mark.rule("MAT-77")
async def test_a_pick_whose_claim_is_broken_follows_it_to_other_stock(store: Plant) -> None:
    where, _, staging = await yard(store)
    name = await item(store, tracking="LOT")
    numbers = [await lot(store, name, f"L{number}") for number in range(2)]
    for number in numbers:
        await stocked(store, name, 2, where, lot=number)
    claim = await demand(store, name, 2, staging)
    await waved(store, claim)
    task = await only(store, name)
    async with store.processes["materials"].commands.open_unit() as unit:
        await ledger.hold(unit, "hamburg", [name])
        (row,) = (await unit.get(Reservation, claim.name)).allocations
        await break_claims(unit, "hamburg", {row.balance: None}, "it fell down")
    after = await get(store, task)
    assert (after.state, after.note) == (Task.CANCELLED, "it fell down")
    assert (await claim_of(store, claim.work_order, claim.demand)).allocated == q(2)


@pytest.mark.rule("MAT-79")
async def test_staged_goods_that_an_order_does_not_need_any_more_go_back(store: Plant) -> None:
    where, cart, staging = await yard(store)
    name = await item(store)
    await stocked(store, name, 5, where)
    claim = await demand(store, name, 3, staging)
    await waved(store, claim)
    await confirm(store, await only(store, name), cart)
    await confirm(store, await only(store, name), staging)
    gone = maintenance.WorkOrderCancelled(work_order=claim.work_order, reason="wrong machine")
    await tell(store, "maintenance", numbered(gone, claim.work_order), correlation=claim.work_order)
    back = await only(store, name, "RETURN")
    assert (back.from_location, back.quantity, back.proposed_location) == (at(staging), q(3), at(where))
    await confirm(store, back, where)
    assert await balances(store, name) == {(where, "UNRESTRICTED"): (D(5), D(0))}
