"""Staging for assets that stand still, and for orders that were started."""

from typing import Any

import pytest
from plantops.maintenance.v1 import events_pb2 as maintenance

from tests.materials.builders import SITE, fresh, item, numbered, stocked, tell, work_order
from tests.materials.tasks import Task, confirm, demand, get, only, start, waved, yard
from tests.world import Plant


async def picks(plant: Plant, asset: str, *orders: str) -> list[Any]:
    """A pick for each order of an asset."""
    where, _, staging = await yard(plant)
    found = []
    for order in orders:
        name = await item(plant)
        await stocked(plant, name, 3, where)
        await waved(plant, await demand(plant, name, 1, staging, asset=asset, order=order))
        found.append(await only(plant, name))
    return found


async def down(plant: Plant, asset: str, **given: Any) -> None:
    await tell(plant, "maintenance", numbered(maintenance.AssetDown(asset=asset, **given), asset))


async def up(plant: Plant, asset: str, **given: Any) -> None:
    await tell(plant, "maintenance", numbered(maintenance.AssetUp(asset=asset, **given), asset))


@pytest.mark.rule("MAT-112")
async def test_what_goes_to_an_asset_that_stands_still_waits_until_it_runs(store: Plant) -> None:
    press, other = (f"{SITE}/assets/{fresh('press')}" for _ in range(2))
    task, carted = await picks(store, press, work_order(), work_order())
    (elsewhere,) = await picks(store, other, work_order())
    _, cart, _ = await yard(store)
    await start(store, carted)
    await down(store, press)
    assert [(await get(store, row)).state for row in (task, carted, elsewhere)] == [
        Task.WAITING, Task.STARTED, Task.READY,
    ]  # fmt: skip
    await confirm(store, carted, cart)
    stage = await only(store, carted.item, "STAGE")
    (late,) = await picks(store, press, work_order())
    assert (stage.state, late.state) == (Task.WAITING, Task.WAITING)
    await up(store, press)
    assert [(await get(store, row)).state for row in (task, stage, late)] == [Task.READY] * 3
    await down(store, other, standing_assets=[press])
    assert (await get(store, task)).state == Task.WAITING
    await up(store, other, standing_assets=[press])
    assert (await get(store, task)).state == Task.READY


@pytest.mark.rule("MAT-112")
async def test_what_an_order_that_was_started_needs_comes_first_and_does_not_wait(store: Plant) -> None:
    press = f"{SITE}/assets/{fresh('press')}"
    order = work_order()
    (task,) = await picks(store, press, order)
    await down(store, press)
    assert (await get(store, task)).state == Task.WAITING
    started = maintenance.WorkOrderStarted(work_order=order)
    await tell(store, "maintenance", numbered(started, order), correlation=order)
    after = await get(store, task)
    assert (after.state, after.priority) == (Task.READY, 1)
    await down(store, press)
    assert (await get(store, task)).state == Task.READY
