"""Alternates stand in for what an item lacks, where the demand allows: claimed, picked, handed out, given back."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.maintenance.v1 import events_pb2 as maintenance
from plantops.materials.v1 import decisions_pb2, items_pb2, reservations_pb2

from services.materials import jobs
from tests.materials.builders import (
    approval,
    at,
    check,
    item,
    kinds_told,
    numbered,
    position,
    q,
    reason,
    stocked,
    tell,
    told,
    work_order,
)
from tests.materials.claims import claimed, demand, in_force, parts, read, reserve
from tests.materials.holds import hold
from tests.materials.holds import release as let_go
from tests.materials.tasks import only, short, start, waved, yard
from tests.materials.test_invariants import broken
from tests.statements import statements_of
from tests.world import Plant

Reservation = reservations_pb2.Reservation


def alternate(name: str, numerator: int = 1, denominator: int = 1, direction: str = "ONE_WAY", **given: Any) -> Any:
    return items_pb2.Item.Alternate(
        item=name, numerator=numerator, denominator=denominator, direction=direction, **given
    )


async def offer(plant: Plant, name: str, *alternates: Any) -> None:
    mask = FieldMask(paths=["alternates"])
    await plant(
        "mara", items_pb2.UpdateItemRequest(item=items_pb2.Item(name=name, alternates=alternates), update_mask=mask)
    )


async def pair(plant: Plant, own: int, other: int, ratio: tuple[int, int] = (1, 1), **given: Any) -> tuple[str, str]:
    """An item and its alternate, with stock of both."""
    name, stand_in = await item(plant), await item(plant, "alt")
    await offer(plant, name, alternate(stand_in, *ratio, **given))
    for each, amount in ((name, own), (stand_in, other)):
        if amount:
            await stocked(plant, each, amount)
    return name, stand_in


async def children(plant: Plant, row: Any) -> list[Any]:
    return [await read(plant, name) for name in (await read(plant, row.name)).alternates]


async def issue(plant: Plant, row: Any, value: int, **given: Any) -> Any:
    return await plant("sam", reservations_pb2.IssueReservationRequest(name=row.name, quantity=q(value), **given))


async def release(plant: Plant, row: Any) -> Any:
    return await plant("sam", reservations_pb2.ReleaseReservationRequest(name=row.name, reason="not that one"))


async def run_job(plant: Plant) -> None:
    await jobs.harden_claims(plant.processes["materials"].commands.open_unit)


async def whole(plant: Plant) -> None:
    assert broken(plant) == []
    assert await check(plant) == []


@pytest.mark.rule("MAT-10", "MAT-89")
async def test_the_item_is_taken_first_then_its_alternates_by_their_ratio(store: Plant) -> None:
    name, stand_in = await pair(store, 4, 20, (3, 1))
    after = position(store)
    row = await claimed(store, name, 10, allow_alternates=True)
    assert (row.state, parts(row)) == (
        Reservation.ALLOCATED, {"requested": "10", "allocated": "4", "substituted": "6"},
    )  # fmt: skip
    (child,) = await children(store, row)
    assert (child.item, child.substitutes, child.covers.value, parts(child)) == (
        stand_in, row.name, "6", {"requested": "18", "allocated": "18"},
    )  # fmt: skip
    assert kinds_told(store, after) == ["ReservationAllocated"]
    (event,) = told(store, "ReservationAllocated", after=after)
    assert (event.quantity.value, list(event.alternates)) == ("10", [child.name])
    explained = await store("vic", decisions_pb2.ExplainDecisionRequest(name=row.decision))
    assert f"{row.name} takes 18 H87 of {stand_in} for 6 H87" in list(explained.explanation)
    assert (await store("vic", decisions_pb2.ReplayDecisionRequest(name=row.decision))).same
    await whole(store)


@pytest.mark.rule("MAT-10")
async def test_without_the_demands_or_the_policys_leave_no_alternate_is_used(store: Plant) -> None:
    name, _ = await pair(store, 1, 9)
    plain = await claimed(store, name, 2)
    assert (plain.state, parts(plain)) == (Reservation.SHORT, {"requested": "2", "allocated": "1", "short": "1"})
    await in_force(store, item=name, refuse_alternates=True)
    refused = await claimed(store, name, 2, allow_alternates=True)
    assert (refused.state, list(refused.alternates)) == (Reservation.SHORT, [])
    explained = await store("vic", decisions_pb2.ExplainDecisionRequest(name=refused.decision))
    assert any("policy refuses" in line for line in explained.explanation)


@pytest.mark.rule("MAT-10", "MAT-88")
async def test_direction_dates_and_stock_decide_which_alternate_is_used(store: Plant) -> None:
    name, second = await pair(store, 0, 3)
    over = {"year": 2020, "month": 1, "day": 1}
    old, near, towards, apart = [await item(store, prefix) for prefix in ("old", "near", "towards", "apart")]
    await offer(store, name, alternate(old, to_date=over), alternate(near), alternate(second))
    await offer(store, towards, alternate(name, 1, 2, "BOTH_WAYS"))
    await offer(store, apart, alternate(name))
    for each in (old, near, towards, apart):
        await stocked(store, each, 50)
    row = await claimed(store, name, 60, allow_alternates=True)
    found = {child.item: (child.covers.value, child.allocated.value) for child in await children(store, row)}
    assert found == {near: ("50", "50"), second: ("3", "3"), towards: ("7", "14")}
    assert row.state == Reservation.ALLOCATED
    explained = await store("vic", decisions_pb2.ExplainDecisionRequest(name=row.decision))
    assert f"{row.name} takes none of {old}: not valid on the day" in list(explained.explanation)
    assert f"{row.name} takes none of {apart}: other direction" in list(explained.explanation)
    await whole(store)


@pytest.mark.rule("MAT-10", "MAT-79")
async def test_what_is_handed_out_of_an_alternate_counts_for_the_demand(store: Plant) -> None:
    name, stand_in = await pair(store, 1, 6, (2, 1))
    row = await claimed(store, name, 3, allow_alternates=True)
    (child,) = await children(store, row)
    after = position(store)
    assert (await issue(store, child, 3)).state == Reservation.ALLOCATED
    assert (await issue(store, child, 1)).state == Reservation.ISSUED
    first, second = told(store, "ReservationIssued", after=after)
    assert [(each.reservation, each.item, each.alternate) for each in (first, second)] == [
        (row.name, name, stand_in)
    ] * 2
    assert [(each.quantity.value, each.alternate_quantity.value) for each in (first, second)] == [
        ("1", "3"),
        ("1", "1"),
    ]
    parent = await read(store, row.name)
    assert (parent.state, parent.substitute_issued.value) == (Reservation.ALLOCATED, "2")
    assert (await issue(store, row, 1)).state == Reservation.ISSUED
    back = reservations_pb2.ReturnIssueRequest(name=child.name, quantity=q(2), location=at("shelf"))
    assert parts(await store("sam", back)) == {"requested": "4", "issued": "2", "released": "2"}
    parent = await read(store, row.name)
    assert parts(parent) == {"requested": "3", "issued": "1", "released": "1", "substituted": "1"}
    assert told(store, "ReservationIssued", after=after)[-1].quantity.value == "-1"
    await whole(store)


@pytest.mark.rule("MAT-10", "MAT-71")
async def test_what_an_alternate_loses_is_the_demand_of_the_item_again(store: Plant) -> None:
    name, stand_in = await pair(store, 0, 7, (2, 1))
    row = await claimed(store, name, 3, allow_alternates=True)
    (child,) = await children(store, row)
    assert (await release(store, child)).state == Reservation.RELEASED
    again = await read(store, row.name)
    assert (again.state, parts(again)) == (Reservation.SHORT, {"requested": "3", "short": "3"})
    after = position(store)
    await run_job(store)  # it does not take again what was given back
    assert told(store, "ReservationShort", after=after)[0].reservation == row.name
    await stocked(store, name, 3)
    assert parts(await read(store, row.name)) == {"requested": "3", "allocated": "3"}
    other = await claimed(store, name, 2, allow_alternates=True)
    (taken,) = await children(store, other)
    assert (taken.item, taken.allocated.value) == (stand_in, "4")
    assert (await release(store, other)).state == Reservation.RELEASED
    assert (await read(store, taken.name)).state == Reservation.RELEASED
    await whole(store)


@pytest.mark.rule("MAT-10", "MAT-107")
async def test_an_alternate_that_is_not_found_at_the_pick_is_missing_again(store: Plant) -> None:
    bin_, cart, staging = await yard(store)
    name, stand_in = await pair(store, 0, 0, (2, 1))
    await stocked(store, stand_in, 6, bin_)
    row = await claimed(store, name, 3, allow_alternates=True, delivery_location=at(staging))
    (child,) = await children(store, row)
    await waved(store, child)
    task = await only(store, stand_in, "PICK")
    await start(store, task)
    await short(store, task, cart, 3)
    held, parent = await read(store, child.name), await read(store, row.name)
    assert (held.covers.value, held.allocated.value) == ("1", "2")
    assert (parent.state, parts(parent)) == (
        Reservation.SHORT, {"requested": "3", "short": "2", "substituted": "1"},
    )  # fmt: skip
    await stocked(store, name, 2)
    assert (await read(store, row.name)).state == Reservation.ALLOCATED
    assert broken(store) == []


@pytest.mark.rule("MAT-10", "MAT-78")
async def test_an_alternate_that_comes_later_stands_in_then(store: Plant) -> None:
    name, stand_in = await pair(store, 1, 0)
    row = await claimed(store, name, 4, allow_alternates=True)
    assert row.state == Reservation.SHORT
    await stocked(store, stand_in, 2)
    await run_job(store)
    partly = await read(store, row.name)
    assert (partly.state, parts(partly)) == (
        Reservation.SHORT, {"requested": "4", "allocated": "1", "short": "1", "substituted": "2"},
    )  # fmt: skip
    after = position(store)
    await stocked(store, stand_in, 5)
    await store("sam", reservations_pb2.AllocateReservationRequest(name=row.name))
    (child,) = await children(store, row)
    assert (child.covers.value, child.allocated.value) == ("3", "3")
    assert told(store, "ReservationAllocated", after=after)[0].quantity.value == "4"
    await whole(store)


@pytest.mark.rule("MAT-10")
async def test_an_order_that_ends_or_needs_less_gives_its_alternates_back(store: Plant) -> None:
    name, stand_in = await pair(store, 2, 9)
    order = work_order()
    row = await claimed(store, name, 6, allow_alternates=True, work_order=order, demand="d1")
    (child,) = await children(store, row)
    await tell(store, "maintenance", approval(order, {"d1": (name, 5)}), correlation=order)
    assert parts(await read(store, row.name)) == {"requested": "5", "allocated": "1", "substituted": "4"}
    event = maintenance.WorkOrderCancelled(work_order=order, reason="gone")
    await tell(store, "maintenance", numbered(event, order), correlation=order)
    assert [(await read(store, each)).state for each in (row.name, child.name)] == [Reservation.RELEASED] * 2
    assert (await claimed(store, stand_in, 9)).state == Reservation.ALLOCATED
    await whole(store)


@pytest.mark.rule("MAT-10", "PERF-1")
async def test_alternates_of_many_cost_as_many_statements_as_of_one(store: Plant) -> None:
    counts = {}
    for size in (1, 3):
        pairs = [await pair(store, 1, 9) for _ in range(size)]
        demands = [demand(name, 3, allow_alternates=True) for name, _ in pairs]
        with statements_of(store.processes["materials"].engine) as found:
            outcomes = await reserve(store, *demands)
            assert {reason(outcome) for outcome in outcomes} == {""}
            assert {outcome.reservation.substituted.value for outcome in outcomes} == {"2"}
            counts[size] = len(found.with_part("INSERT INTO reservation"))
    assert counts[1] == counts[3]


@pytest.mark.rule("MAT-10", "MAT-77")
async def test_a_hold_breaks_an_alternate_and_its_release_brings_it_again(store: Plant) -> None:
    bin_, _, _ = await yard(store)
    name, stand_in = await pair(store, 1, 0, (3, 1))
    await stocked(store, stand_in, 6, bin_)
    row = await claimed(store, name, 3, allow_alternates=True)
    (child,) = await children(store, row)
    placed = await hold(store, location=at(bin_))
    broken_one, parent = await read(store, child.name), await read(store, row.name)
    assert (broken_one.state, parts(broken_one)) == (Reservation.RELEASED, {"requested": "6", "released": "6"})
    assert (parts(parent), list(parent.alternates)) == ({"requested": "3", "allocated": "1", "short": "2"}, [])
    after = position(store)
    await run_job(store)
    assert [each.short_quantity.value for each in told(store, "ReservationShort", after=after)] == ["2"]
    await let_go(store, placed.name)
    await run_job(store)
    assert parts(await read(store, row.name)) == {"requested": "3", "allocated": "1", "substituted": "2"}
    (other,) = await children(store, row)
    assert (other.name != child.name, other.item, other.covers.value) == (True, stand_in, "2")
    await whole(store)
