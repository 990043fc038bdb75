"""Put-aways as directed work: cross-docking, goods without a place, receipts that are taken back."""

from typing import Any

import pytest
from plantops.materials.v1 import locations_pb2, receipts_pb2, tasks_pb2

from tests.materials.builders import HEAD, at, expected, fresh, item, place, q, received, scanned
from tests.materials.places import limited, refusal
from tests.materials.tasks import Task, confirm, demand, get, only, start, tasks_of
from tests.world import Plant


async def stage(plant: Plant, **given: Any) -> str:
    """A staging place."""
    name = fresh("staging")
    await place(plant, name, "STAGING", **given)
    return name


async def arrives(plant: Plant, name: str, value: int, *, to: str = "shelf") -> Any:
    await expected(plant, name, value, to=to)
    return await received(plant, scanned(name, value))


@pytest.mark.rule("MAT-101")
async def test_goods_taken_by_who_waits_go_to_its_staging_and_the_rest_to_its_place(store: Plant) -> None:
    staging = await stage(store)
    name = await item(store)
    claim = await demand(store, name, 3, staging, priority=2)
    await arrives(store, name, 5)
    found = {(task.proposed_location, task.quantity.value, task.reservation) for task in await tasks_of(store, name)}
    assert found == {(at(staging), "3", claim.name), (at("shelf"), "2", "")}
    (mine,) = [task for task in await tasks_of(store, name) if task.reservation]
    assert (mine.kind, mine.priority) == (Task.PUT_AWAY, 2)
    await confirm(store, mine, staging)
    row = store.rows("materials", "select location, quantity from allocation where reservation = %s", claim.name)
    assert [(where, str(value.normalize())) for where, value in row] == [(at(staging), "3")]
    whole = await item(store)
    await demand(store, whole, 4, staging)
    await arrives(store, whole, 4)
    assert (await only(store, whole)).proposed_location == at(staging)


@pytest.mark.rule("MAT-101")
async def test_goods_are_not_sent_to_a_staging_without_room(store: Plant) -> None:
    name = await item(store)
    staging = await stage(store, limits={"item_limits": [{"item": name, "quantity": q(2)}]})
    await demand(store, name, 3, staging)
    await arrives(store, name, 3)
    assert (await only(store, name)).proposed_location == at("shelf")


@pytest.mark.rule("MAT-100")
async def test_goods_without_a_place_are_an_exception_for_a_person(store: Plant) -> None:
    kind = fresh("class")
    name = await item(store, item_class=kind, gross_weight=q(9, "KGM"))
    for where in ("shelf", "bin"):  # nothing of the plant's other places is for it
        limits = locations_pb2.Location.Limits(item_classes=["other"])
        location = locations_pb2.Location(name=at(where), limits=limits)
        await store("mara", locations_pb2.UpdateLocationRequest(location=location, update_mask={"paths": ["limits"]}))
    await limited(store, item_classes=[kind], max_weight=q(1, "KGM"))
    await arrives(store, name, 1, to="")
    tasks = {Task.Kind.Name(task.kind): task for task in await tasks_of(store, name)}
    problem, task = tasks["EXCEPTION_TASK"], tasks["PUT_AWAY"]
    assert (task.proposed_location, problem.predecessor, problem.receipt) == ("", task.name, task.receipt)
    assert "passed over" in problem.note
    request = tasks_pb2.ConfirmTaskRequest(name=problem.name)
    assert (await refusal(store("sam", request))).metadata["field"] == "note"
    await place(store, "quality", "QUALITY")
    await confirm(store, task, "quality")
    solved = await get(store, problem)
    assert (solved.state, solved.note) == (Task.COMPLETED, f"the goods are at {at('quality')}")


@pytest.mark.rule("MAT-99")
async def test_a_receipt_that_is_taken_back_takes_its_open_tasks_along(store: Plant) -> None:
    name = await item(store)
    receipt = await arrives(store, name, 2)
    task = await only(store, name)
    await start(store, task)
    reverse = receipts_pb2.ReverseReceiptRequest(name=receipt.name, reason="wrong goods")
    await store.client("materials", "people/stella", HEAD)(reverse)
    assert (await get(store, task)).state == Task.CANCELLED
    fault = await refusal(confirm(store, task, "shelf"))
    assert (fault.reason, fault.metadata["state"]) == ("TRANSITION_NOT_ALLOWED", "CANCELLED")
