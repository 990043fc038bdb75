"""A packed shipment is loaded by tasks: one for each unit and line, confirmed by scan."""

from typing import Any

import pytest
from plantops.materials.v1 import tasks_pb2

from tests.materials.builders import at, fresh, handling_units, item, pack, packed, place, stocked
from tests.materials.places import refusal
from tests.materials.shipping import goes, goes_whole, lies, packed_up, sh
from tests.materials.tasks import Scan, Task, confirm
from tests.materials.units import close, get
from tests.world import Plant

State = sh.Shipment.State


async def lorry(plant: Plant) -> str:
    """A vehicle at the site."""
    name = fresh("lorry")
    await place(plant, name, "VEHICLE")
    return name


async def release(plant: Plant, row: Any, where: str) -> Any:
    return await plant("sam", sh.ReleaseShipmentRequest(name=row.name, location=at(where)))


async def task_of(plant: Plant, name: str) -> Any:
    return await plant("vic", tasks_pb2.GetTaskRequest(name=name))


async def box(plant: Plant, kind: str, name: str, value: int) -> Any:
    (unit,) = await handling_units(plant, kind)
    await pack(plant, unit.name, packed(name, value))
    return await close(plant, unit.name)


@pytest.mark.rule("MAT-106")
async def test_units_and_lines_are_loaded_by_scan_before_the_shipment_leaves(store: Plant, pallet: str) -> None:
    name, truck = await item(store), await lorry(store)
    await stocked(store, name, 9)
    whole = await box(store, pallet, name, 4)
    row = await release(store, await packed_up(store, goes(name, 2), goes_whole(whole.name)), truck)
    assert (row.state, row.loading_location) == (State.PACKED, at(truck))
    loose, unit = [await task_of(store, line.ship_task) for line in row.lines]
    assert [(task.kind, task.from_location, task.proposed_location, task.shipment) for task in (loose, unit)] == [
        (Task.SHIP, at("shelf"), at(truck), row.name),
    ] * 2  # fmt: skip
    assert (loose.quantity.value, unit.handling_unit, unit.item) == ("2", whole.name, "")
    fault = await refusal(store("sam", sh.ShipShipmentRequest(name=row.name)))
    assert (fault.reason, fault.metadata["shipment"]) == ("SHIPMENT_NOT_LOADED", row.name)
    assert (await refusal(confirm(store, loose, "bin"))).reason == "SCAN_MISMATCH"
    done = await confirm(store, loose, truck)
    assert (done.state, done.to_location) == (Task.COMPLETED, at(truck))
    scan = Scan(from_location=unit.from_location, goods=name, to_location=at(truck))
    assert (await refusal(store("sam", tasks_pb2.ConfirmTaskRequest(name=unit.name, scan=scan)))).reason == (
        "SCAN_MISMATCH"
    )  # fmt: skip
    scan.goods = whole.name
    await store("sam", tasks_pb2.ConfirmTaskRequest(name=unit.name, scan=scan))
    assert (await get(store, whole.name)).location == at(truck)
    assert lies(store, name)["hamburg", truck] == 6
    gone = await store("sam", sh.ShipShipmentRequest(name=row.name))
    assert (gone.state, gone.lines[0].location) == (State.SHIPPED, at(truck))
    assert lies(store, name)["hamburg", "v-customer"] == 6


@pytest.mark.rule("MAT-106")
async def test_what_is_there_needs_no_task_and_what_is_unpacked_none_any_more(store: Plant) -> None:
    name, truck = await item(store), await lorry(store)
    await stocked(store, name, 3, truck)
    await stocked(store, name, 3)
    row = await packed_up(store, goes(name, 1, where=truck), goes(name, 2))
    assert (await refusal(release(store, row, "shelf"))).fields == ["location"]
    row = await release(store, row, truck)
    assert [bool(line.ship_task) for line in row.lines] == [False, True]
    assert (await release(store, row, truck)).lines[1].ship_task == row.lines[1].ship_task
    assert (await refusal(release(store, row, "dock"))).fields == ["location"]
    changed = await store("sam", sh.UnpackShipmentRequest(name=row.name))
    assert changed.loading_location == ""
    assert (await task_of(store, row.lines[1].ship_task)).state == Task.CANCELLED
    assert (await refusal(release(store, row, truck))).reason == "TRANSITION_NOT_ALLOWED"
