"""Claims that are broken while they are picked: what takes their place is picked in the same wave."""

from datetime import timedelta
from typing import Any

import pytest
from plantops.materials.v1 import lots_pb2, reservations_pb2, tasks_pb2

from tests.materials.builders import (
    at,
    call,
    claim_of,
    day,
    expected,
    fresh,
    item,
    lot,
    movement,
    place,
    post,
    q,
    received,
    scanned,
    stocked,
)  # fmt: skip
from tests.materials.holds import hold, release
from tests.materials.places import lock, unlock
from tests.materials.tasks import Task, confirm, demand, get, tasks_of, waved, yard
from tests.statements import statements_of
from tests.world import Plant, site_today


async def beside(plant: Plant, path: int = 50) -> str:
    """Another bin, further away."""
    name = fresh("bin")
    await place(plant, name, path_order=path)
    return name


def seen(task: Any) -> tuple[str, str, str, str, str]:
    return task.from_location, task.quantity.value, task.wave, task.proposed_location, task.predecessor


@pytest.mark.rule("MAT-77")
@pytest.mark.rule("MAT-64")
async def test_what_replaces_a_cancelled_pick_is_picked_in_its_wave(store: Plant) -> None:
    near, _, staging = await yard(store)
    far, name = await beside(store), await item(store)
    await stocked(store, name, 9, near)
    await stocked(store, name, 5, far)
    claim = await demand(store, name, 4, staging, priority=2)
    wave = await waved(store, claim)
    (pick,) = await tasks_of(store, name, "PICK")
    await lock(store, near, "OUTBOUND")
    assert (await get(store, pick)).state == Task.CANCELLED
    (anew,) = await tasks_of(store, name, "PICK")
    assert seen(anew) == (at(far), "4", wave.name, at(staging), pick.name)
    assert (anew.priority, anew.reservation) == (2, claim.name)
    await confirm(store, anew, staging)
    assert (await claim_of(store, claim.work_order, claim.demand)).allocations[0].location == at(staging)
    await unlock(store, near, "OUTBOUND")


@pytest.mark.rule("MAT-77")
async def test_goods_on_a_cart_that_are_nobodys_any_more_are_picked_elsewhere(store: Plant) -> None:
    near, cart, staging = await yard(store)
    far, name = await beside(store), await item(store, tracking="LOT")
    soon = day(site_today() + timedelta(days=30))
    bad, good = await lot(store, name, expire_date=soon), await lot(store, name)
    await stocked(store, name, 2, near, lot=bad)
    await stocked(store, name, 9, far, lot=good)
    claim = await demand(store, name, 3, staging)
    await waved(store, claim)
    of_bad, of_good = sorted(await tasks_of(store, name, "PICK"), key=lambda task: task.lot != bad)
    assert (of_bad.quantity.value, of_good.quantity.value) == ("2", "1")
    await confirm(store, of_bad, cart, goods=bad, rest="EMPTY")
    change = lots_pb2.ChangeLotDatesRequest(name=bad, expire_date=day(site_today() - timedelta(days=1)), reason="wrong")
    await call(store, "stella", change)
    (pick,) = await tasks_of(store, name, "PICK")
    assert (pick.name, pick.quantity.value, pick.from_location) == (of_good.name, "3", at(far))
    (left,) = await tasks_of(store, name, "STAGE")
    assert left.state == Task.EXCEPTION


@pytest.mark.rule("MAT-77")
async def test_new_picks_take_as_many_statements_whatever_their_number(store: Plant) -> None:
    counts = {}
    for size in (2, 4):
        near, _, staging = await yard(store)
        far, name = await beside(store), await item(store)
        await stocked(store, name, size, near)
        claims = [await demand(store, name, 1, staging) for _ in range(size)]
        await stocked(store, name, size, far)
        await waved(store, *claims)
        with statements_of(store.processes["materials"].engine) as found:
            await lock(store, near, "OUTBOUND")
            counts[size] = len(found.with_part("update balance b set reserved"))
        picks = await tasks_of(store, name, "PICK")
        assert {task.from_location for task in picks} == {at(far)}
        assert len(picks) == size
        await unlock(store, near, "OUTBOUND")
    assert counts[2] == counts[4]


@pytest.mark.rule("MAT-75")
async def test_who_loses_stock_by_a_swap_picks_what_it_gets_instead(store: Plant) -> None:
    near, _, staging = await yard(store)
    far, name = await beside(store), await item(store)
    await stocked(store, name, 2, near)
    loser = await demand(store, name, 2, staging, priority=5)
    await stocked(store, name, 4, far)
    taker = await demand(store, name, 2, staging, priority=1)
    await waved(store, loser)
    request = reservations_pb2.SwapAllocationRequest(name=taker.name, location=at(near), quantity=q(2), reason="urgent")
    await store("sam", request)
    (pick,) = await tasks_of(store, name, "PICK")
    assert (pick.reservation, pick.from_location) == (loser.name, at(far))


async def put(plant: Plant, name: str, to: str) -> None:
    (task,) = await tasks_of(plant, name, "PUT_AWAY")
    request = tasks_pb2.ConfirmPutAwayRequest(name=task.name.replace("/tasks/", "/putAwayTasks/"), location=at(to))
    await plant("sam", request)


@pytest.mark.rule("MAT-77")
async def test_goods_that_are_put_away_while_they_are_to_be_picked_are_picked_where_they_go(store: Plant) -> None:
    near, _, staging = await yard(store)
    name = await item(store)
    await stocked(store, name, 2, "dock")
    claim = await demand(store, name, 2, staging)
    wave = await waved(store, claim)
    (pick,) = await tasks_of(store, name, "PICK")
    assert pick.from_location == at("dock")
    await expected(store, name, 3)
    await received(store, scanned(name, 3))
    await put(store, name, near)
    (anew,) = await tasks_of(store, name, "PICK")
    assert seen(anew) == (at(near), "2", wave.name, at(staging), pick.name)
    assert (await claim_of(store, claim.work_order, claim.demand)).allocations[0].location == at(near)


@pytest.mark.rule("MAT-64")
@pytest.mark.parametrize("by_task", [True, False])
async def test_goods_that_take_their_hold_along_break_the_claims_where_they_come(store: Plant, by_task: bool) -> None:
    near, _, staging = await yard(store)
    name = await item(store)
    await stocked(store, name, 2, near)
    claim = await demand(store, name, 2, staging)
    await expected(store, name, 3)
    await received(store, scanned(name, 3))
    stop = await hold(store, location=at("dock"), allowed_locations=[at(near)])
    if by_task:
        await put(store, name, near)
    else:
        await post(store, movement("MOVE", name, 3, from_location=at("dock"), to_location=at(near)))
    row = await claim_of(store, claim.work_order, claim.demand)
    assert (row.short.value, len(row.allocations)) == ("2", 0)
    await release(store, stop.name)
