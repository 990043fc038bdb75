"""Goods that arrive in handling units, and what is packed at the dock, are put away with their units."""

from typing import Any

import pytest
from plantops.materials.v1 import (
    inspections_pb2,
    receipts_pb2,
    tasks_pb2,
)

from tests.materials.builders import (
    SITE,
    arrived,
    at,
    balances,
    claim_of,
    counted,
    expected,
    handling_units,
    item,
    movement,
    pack,
    packed,
    post,
    q,
    reason,
    received,
    reserved,
    scanned,
)
from tests.materials.units import get, move, pb, refused, where
from tests.world import Plant


@pytest.mark.rule("MAT-20")
@pytest.mark.rule("MAT-21")
async def test_goods_arrive_in_a_unit_and_are_put_away_with_it(store: Plant, pallet: str) -> None:
    one, two = await item(store, inspect_receipts=True), await item(store)
    for name in (one, two):
        await expected(store, name, 20)
    waits = await reserved(store, two, 5)
    (unit,), (far,) = await handling_units(store, pallet, where="dock"), await handling_units(store, pallet)
    receipt = await arrived(store)
    outcomes = await counted(
        store, receipt.name, scanned(one, 4, handling_unit=unit.name), scanned(two, 5, handling_unit=unit.name),
        scanned(two, 1, handling_unit=far.name), scanned(two, 1, handling_unit=f"{SITE}/handlingUnits/none"),
    )  # fmt: skip
    assert [reason(one) for one in outcomes] == ["", "", "HANDLING_UNIT_ELSEWHERE", "FIELD_INVALID"]
    posted = await store("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
    assert [row.handling_unit for row in posted.lines] == [unit.name] * 2
    assert where(store, one) == {("dock", unit.name): (4, 0)}
    assert where(store, two) == {("dock", unit.name): (5, 5)}
    tasks = [await store("vic", tasks_pb2.GetPutAwayTaskRequest(name=row.put_away_task)) for row in posted.lines]
    assert [task.handling_unit for task in tasks] == [unit.name] * 2
    await move(store, unit.name, "bin")  # on its way
    task = await store("vic", tasks_pb2.GetPutAwayTaskRequest(name=tasks[0].name))
    assert (task.state, task.from_location) == (tasks_pb2.PutAwayTask.READY, at("bin"))
    done = await store("sam", tasks_pb2.ConfirmPutAwayRequest(name=tasks[0].name, location=at("shelf")))
    other = await store("vic", tasks_pb2.GetPutAwayTaskRequest(name=tasks[1].name))
    assert (other.state, other.movement) == (tasks_pb2.PutAwayTask.COMPLETED, done.movement)
    assert (await get(store, unit.name)).location == at("shelf")
    assert where(store, two) == {("shelf", unit.name): (5, 5)}
    assert [row.location for row in (await claim_of(store, waits.work_order)).allocations] == [at("shelf")]
    inspection = await store("ines", inspections_pb2.GetInspectionLotRequest(name=posted.lines[0].inspection_lot))
    assert (inspection.location, inspection.handling_unit) == (at("shelf"), unit.name)
    found = await refused(store, pb.UnpackHandlingUnitRequest(name=unit.name))
    assert found.reason == "INSPECTION_OPEN"
    decided = inspections_pb2.InspectionLot.Split(outcome="UNRESTRICTED", quantity=q(4))
    await store("ines", inspections_pb2.DecideUsageRequest(name=inspection.name, splits=[decided]))
    assert await balances(store, one) == {("shelf", "UNRESTRICTED"): (4, 0)}
    assert where(store, one) == {("shelf", unit.name): (4, 0)}


@pytest.mark.rule("MAT-21")
async def test_put_away_follows_goods_that_are_packed_at_the_dock(store: Plant, pallet: str) -> None:
    name = await item(store)
    await expected(store, name, 20)
    posted = await received(store, scanned(name, 8))
    (unit,) = await handling_units(store, pallet, where="dock")

    async def task() -> Any:
        return await store("vic", tasks_pb2.GetPutAwayTaskRequest(name=posted.lines[0].put_away_task))

    await pack(store, unit.name, packed(name, 3))
    assert (await task()).handling_unit == ""
    await pack(store, unit.name, packed(name, 5))
    assert (await task()).handling_unit == unit.name
    await store("sam", pb.UnpackHandlingUnitRequest(name=unit.name))
    assert (await task()).handling_unit == ""
    await pack(store, unit.name, packed(name, 8))
    await post(store, movement("SCRAP", name, 1, from_location=at("dock"), from_handling_unit=unit.name))
    request = tasks_pb2.ConfirmPutAwayRequest(name=posted.lines[0].put_away_task, location=at("bin"))
    assert (await refused(store, request)).reason == "NOT_ENOUGH_STOCK"


@pytest.mark.rule("MAT-20")
async def test_a_receipt_into_a_unit_is_taken_back_out_of_it(store: Plant, pallet: str) -> None:
    name = await item(store)
    await expected(store, name, 20)
    (unit,) = await handling_units(store, pallet, where="dock")
    posted = await received(store, scanned(name, 8, handling_unit=unit.name))
    await store("sam", receipts_pb2.ReverseReceiptRequest(name=posted.name, reason="wrong truck"))
    assert where(store, name) == {}
