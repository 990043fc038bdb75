"""Tasks that people claim, start, confirm, give back; leases; scans."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import locations_pb2, reservations_pb2, tasks_pb2

from services.materials import jobs
from tests.materials.builders import HEAD, SITE, at, balances, fresh, item, place, q, stocked
from tests.materials.places import limited, moved, put_away_task, refusal
from tests.materials.serials import opened, serials, tool
from tests.materials.tasks import (
    Scan,
    Task,
    claim,
    confirm,
    demand,
    expire,
    get,
    only,
    scanned,
    start,
    waved,
    yard,
)
from tests.world import Plant


async def picked(plant: Plant, value: int = 3, there: int = 5, **given: Any) -> tuple[Any, str, str, str]:
    """(pick, bin, cart, staging) of a new item."""
    where, cart, staging = await yard(plant)
    name = await item(plant, **given)
    await stocked(plant, name, there, where)
    await waved(plant, await demand(plant, name, value, staging))
    return await only(plant, name, "PICK"), where, cart, staging


async def reasons(call: Any) -> str:
    return str((await refusal(call)).reason)


@pytest.mark.rule("MAT-106")
@pytest.mark.rule("MAT-35")
async def test_a_pick_goes_to_the_cart_with_its_claim_and_then_to_its_staging(store: Plant) -> None:
    task, where, cart, staging = await picked(store)
    assert (task.from_location, task.proposed_location, task.quantity) == (at(where), at(staging), q(3))
    await start(store, task)
    done = await confirm(store, task, cart)
    assert (done.state, done.to_location, done.done_quantity) == (Task.COMPLETED, at(cart), q(3))
    assert await balances(store, task.item) == {
        (where, "UNRESTRICTED"): (D(2), D(0)), (cart, "UNRESTRICTED"): (D(3), D(3)),
    }  # fmt: skip
    kind = store.value("materials", "select kind from movement where name = %s", done.movement)
    assert kind == "PICK"
    stage = await only(store, task.item, "STAGE")
    assert (stage.from_location, stage.predecessor, stage.reservation) == (at(cart), task.name, task.reservation)
    await confirm(store, stage, staging)
    assert (await balances(store, task.item))[staging, "UNRESTRICTED"] == (D(3), D(3))
    row = store.rows("materials", "select location, quantity from allocation where reservation = %s", task.reservation)
    assert row == [(at(staging), D(3))]


@pytest.mark.rule("MAT-106")
async def test_every_scan_is_compared_with_the_task(store: Plant) -> None:
    task, where, cart, _ = await picked(store)
    for scan, field in (
        (scanned(task, cart, from_location=""), "scan.from_location"),
        (scanned(task, cart, goods=""), "scan.goods"),
        (scanned(task, ""), "scan.to_location"),
        (scanned(task, "shelf"), "scan.to_location"),
        (scanned(task, "nowhere"), "scan.to_location"),
        (scanned(task, cart, 2), "scan.quantity.value"),
        (scanned(task, cart, 4), "scan.quantity.value"),
        (Scan(from_location=at(where), goods=task.item, to_location=at(cart)), "scan.quantity"),
    ):
        fault = await refusal(store("sam", tasks_pb2.ConfirmTaskRequest(name=task.name, scan=scan)))
        assert (fault.reason, fault.metadata["field"]) == ("FIELD_INVALID", field)
    for scan in (scanned(task, cart, from_location=at("shelf")), scanned(task, cart, goods="items/other")):
        fault = await refusal(store("sam", tasks_pb2.ConfirmTaskRequest(name=task.name, scan=scan)))
        assert (fault.code, fault.reason) == ("FAILED_PRECONDITION", "SCAN_MISMATCH")
    assert (await get(store, task)).state == Task.READY


@pytest.mark.rule("MAT-106")
async def test_a_scan_is_skipped_with_the_permission_alone_and_is_marked(store: Plant) -> None:
    task, _, cart, _ = await picked(store)
    scan = scanned(task, cart, from_location="", goods="", skipped=["SOURCE", "GOODS"])
    request = tasks_pb2.ConfirmTaskRequest(name=task.name, scan=scan)
    fault = await refusal(store("tina", request))
    assert (fault.code, fault.metadata["permission"]) == ("PERMISSION_DENIED", "materials.tasks.skipScan")
    done = await store("sam", tasks_pb2.ConfirmTaskRequest(name=task.name, scan=scan))
    assert list(done.skipped_scans) == [Scan.GOODS, Scan.SOURCE]


@pytest.mark.rule("MAT-106")
@pytest.mark.rule("MAT-34")
async def test_labels_with_a_check_code_are_confirmed_by_it(store: Plant) -> None:
    _, _, staging = await yard(store)
    where, cart = fresh("bin"), fresh("cart")
    codes = []
    for name, kind in ((where, "STORAGE"), (cart, "CART")):
        request = locations_pb2.CreateLocationRequest(
            parent=SITE, location_id=name, generate_check_code=True,
            location=locations_pb2.Location(title=name, kind=kind),
        )  # fmt: skip
        codes.append((await store("mara", request)).check_code)
    name = await item(store)
    await stocked(store, name, 5, where)
    await waved(store, await demand(store, name, 2, staging))
    task = await only(store, name)
    for given, field in (
        ({}, "scan.from_check_code"),
        ({"from_check_code": codes[1]}, "scan.from_check_code"),
        ({"from_check_code": codes[0]}, "scan.to_check_code"),
    ):
        fault = await refusal(confirm(store, task, cart, **given))
        assert (fault.reason, fault.metadata["field"]) == ("FIELD_INVALID", field)
    done = await confirm(store, task, cart, from_check_code=codes[0], to_check_code=codes[1])
    assert done.state == Task.COMPLETED


@pytest.mark.rule("MAT-105")
async def test_a_task_is_leased_to_one_person_and_scanner_until_a_time(store: Plant) -> None:
    task, _, cart, _ = await picked(store)
    mine = await start(store, task, device="scanner-1")
    assert (mine.state, mine.lease_person, mine.lease_device) == (Task.STARTED, "people/sam", "scanner-1")
    until = mine.lease_expire_time.ToDatetime(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(minutes=13) < until < timedelta(minutes=16)
    for call in (
        start(store, task, "tina"), start(store, task, device="scanner-2"), confirm(store, task, cart, "tina"),
        store("tina", tasks_pb2.ReleaseTaskRequest(name=task.name)),
    ):  # fmt: skip
        fault = await refusal(call)
        assert (fault.code, fault.reason) == ("FAILED_PRECONDITION", "TASK_LEASED")
        assert fault.metadata["person"] == "people/sam"
    given = await store("sam", tasks_pb2.ReassignTaskRequest(name=task.name, person="people/tina"))
    assert (given.state, given.lease_person) == (Task.STARTED, "people/tina")
    assert await reasons(confirm(store, task, cart)) == "TASK_LEASED"
    assert (await confirm(store, task, cart, "tina")).state == Task.COMPLETED
    for hours in (-1, 13):
        request = tasks_pb2.StartTaskRequest(name=task.name)
        request.lease_duration.FromTimedelta(timedelta(hours=hours))
        assert (await refusal(store("sam", request))).metadata["field"] == "lease_duration"
    request = tasks_pb2.ReassignTaskRequest(name=task.name, person="systems/erp")
    assert (await refusal(store("sam", request))).metadata["field"] == "person"


@pytest.mark.rule("MAT-105")
async def test_a_lease_that_ran_out_opens_the_task_and_a_late_confirmation_counts_while_nobody_took_it(
    store: Plant,
) -> None:
    task, _, cart, _ = await picked(store)
    other, _, other_cart, _ = await picked(store)
    for one in (task, other):
        await store("sam", tasks_pb2.ReassignTaskRequest(name=one.name, person="people/tina"))
        await expire(store, one)
    await jobs.open_expired_leases(store.processes["materials"].commands.open_unit)
    opened = await get(store, task)
    assert (opened.state, opened.lease_person) == (Task.READY, "people/tina")
    assert (await confirm(store, task, cart, "tina")).state == Task.COMPLETED
    await start(store, other, "sam")
    assert await reasons(confirm(store, other, other_cart, "tina")) == "TASK_LEASED"
    await confirm(store, other, other_cart, "sam")
    late = await refusal(confirm(store, other, other_cart, "tina"))
    assert (late.reason, late.metadata["state"]) == ("TRANSITION_NOT_ALLOWED", "COMPLETED")


@pytest.mark.rule("MAT-105")
async def test_a_leased_task_is_given_back_and_one_begun_is_not(store: Plant) -> None:
    task, _, _, _ = await picked(store)
    await store("sam", tasks_pb2.ReassignTaskRequest(name=task.name, person="people/sam"))
    back = await store("sam", tasks_pb2.ReleaseTaskRequest(name=task.name, reason="lunch"))
    assert (back.state, back.lease_person) == (Task.READY, "")
    assert await reasons(store("sam", tasks_pb2.ReleaseTaskRequest(name=task.name))) == "TRANSITION_NOT_ALLOWED"
    await start(store, task)
    assert await reasons(store("sam", tasks_pb2.ReleaseTaskRequest(name=task.name))) == "TRANSITION_NOT_ALLOWED"


@pytest.mark.rule("MAT-109")
async def test_the_next_task_fits_and_lies_on_the_way(store: Plant) -> None:
    zone = fresh("zone")
    await place(store, zone, "GROUP")
    near, far = fresh("near"), fresh("far")
    for name, path in ((near, 10), (far, 90)):
        await place(store, name, path_order=path, parent_location=at(zone))
    _, _, staging = await yard(store)
    name = await item(store)
    for where in (near, far):
        await stocked(store, name, 1, where)
    await waved(store, await demand(store, name, 2, staging, need=datetime.now(UTC) + timedelta(days=2)))
    with store.look("materials") as connection:
        connection.execute(
            "update put_away_task set skills = '{ADR}', equipment = 'FORKLIFT' where from_location = %s", [at(near)]
        )
    able = {"zones": [at(zone)], "skills": ["ADR"], "equipment": ["FORKLIFT"]}
    assert await claim(store, zones=[at("hall")]) is None
    assert await claim(store, kinds=["COUNT"], **able) is None
    without = await claim(store, zones=[at(zone)], location=at(near))
    assert without.from_location == at(far)
    assert (without.state, without.lease_person) == (Task.LEASED, "people/sam")
    await store("sam", tasks_pb2.ReleaseTaskRequest(name=without.name))
    first = await claim(store, location=at(near), **able)
    assert first.from_location == at(near)
    second = await claim(store, location=at(near), **able)
    assert second.from_location == at(far)
    assert await claim(store, **able) is None
    await expire(store, first)
    assert (await claim(store, **able)).name == first.name
    request = tasks_pb2.ClaimNextTaskRequest(parent=SITE, location="sites/antwerp/locations/dock")
    assert (await refusal(store("sam", request))).metadata["field"] == "location"


@pytest.mark.rule("MAT-106")
async def test_a_put_away_is_a_task_too(store: Plant) -> None:
    name = await item(store)
    task = await put_away_task(store, name, 4, "shelf")
    mine = await only(store, name)
    assert (mine.kind, mine.name.rsplit("/", 2)[1:]) == (Task.PUT_AWAY, ["tasks", task.name.rsplit("/", 1)[1]])
    await start(store, mine)
    assert (await store("vic", tasks_pb2.GetPutAwayTaskRequest(name=task.name))).state == tasks_pb2.PutAwayTask.READY
    await start(store, mine)
    request = tasks_pb2.ConfirmPutAwayRequest(name=task.name, location=at("shelf"))
    fault = await refusal(store.client("materials", "people/stella", HEAD)(request))
    assert (fault.reason, fault.metadata["person"]) == ("TASK_LEASED", "people/sam")
    done = await confirm(store, mine, "shelf")
    assert (done.state, done.to_location) == (Task.COMPLETED, at("shelf"))
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(4), D(0))}
    again = await store("vic", tasks_pb2.GetPutAwayTaskRequest(name=task.name))
    assert (again.state, again.movement) == (tasks_pb2.PutAwayTask.COMPLETED, done.movement)


@pytest.mark.rule("MAT-33")
async def test_room_is_content_and_what_open_tasks_bring_less_what_started_ones_take(store: Plant) -> None:
    name = await item(store)
    where = await limited(store, item_limits=[{"item": name, "quantity": q(5)}])
    _, cart, staging = await yard(store)
    await stocked(store, name, 5, where)
    await stocked(store, name, 4, "shelf")
    await waved(store, await demand(store, name, 2, staging))
    task = await only(store, name)
    assert task.from_location == at(where)
    full = await refusal(moved(store, name, "shelf", where, 2))
    assert (full.reason, full.metadata["here"]) == ("CAPACITY_EXCEEDED", "5")
    await start(store, task)
    assert (await refusal(moved(store, name, "shelf", where, 3))).metadata["here"] == "3"
    await moved(store, name, "shelf", where, 2)
    await confirm(store, task, cart)


@pytest.mark.rule("MAT-106")
async def test_serials_of_a_pick_are_those_that_were_allocated(store: Plant) -> None:
    where, cart, staging = await yard(store)
    name = await tool(store)
    numbers = await serials(store, name, 3)
    await opened(store, name, numbers, where)
    await waved(store, await demand(store, name, 2, staging))
    task = await only(store, name, "PICK")
    assert len(task.serials) == 2
    (other,) = set(numbers) - set(task.serials)
    wrong = [task.serials[0], other]
    assert await reasons(confirm(store, task, cart, serials=wrong, goods=task.serials[0])) == "SCAN_MISMATCH"
    await confirm(store, task, cart, serials=list(task.serials), goods=task.serials[0])
    stage = await only(store, name, "STAGE")
    assert sorted(stage.serials) == sorted(task.serials)
    await confirm(store, stage, staging, serials=list(stage.serials))
    found = store.rows("materials", "select location from allocation where reservation = %s", task.reservation)
    assert found == [(at(staging),)] * 2


async def test_a_watcher_sees_open_tasks_and_each_change(store: Plant) -> None:
    task, _, cart, _ = await picked(store)
    seen: list[Any] = []

    async def watch() -> None:
        client = store.client("materials", "people/vic")
        request = tasks_pb2.WatchTasksRequest(parent=SITE)
        request.watch_duration.FromSeconds(20)
        watching = client.channel.unary_stream(
            "/plantops.materials.v1.TaskService/WatchTasks",
            request_serializer=tasks_pb2.WatchTasksRequest.SerializeToString,
            response_deserializer=Task.FromString,
        )
        async for row in watching(request, metadata=client.metadata()):
            if row.name == task.name:
                seen.append(row.state)

    watching = asyncio.ensure_future(watch())

    async def states() -> list[Any]:
        return seen

    await store.eventually(states, lambda found: found == [Task.READY])
    await start(store, task)
    await store.eventually(states, lambda found: found[-1] == Task.STARTED)
    await confirm(store, task, cart)
    await store.eventually(states, lambda found: found[-1] == Task.COMPLETED)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    mine = await store("vic", tasks_pb2.WatchTasksRequest(parent=SITE, person="people/sam"))
    assert {row.lease_person for row in mine} <= {"people/sam"}
    request = tasks_pb2.WatchTasksRequest(parent=SITE)
    request.watch_duration.FromSeconds(26)
    assert (await refusal(store("vic", request))).metadata["field"] == "watch_duration"


@pytest.mark.rule("MAT-64")
async def test_picks_follow_the_claim(store: Plant) -> None:
    open_one, _, _, _ = await picked(store)
    on_cart, _, cart, _ = await picked(store)
    await confirm(store, on_cart, cart)
    for task in (open_one, on_cart):
        await store("sam", reservations_pb2.ReleaseReservationRequest(name=task.reservation, reason="not needed"))
    gone = await get(store, open_one)
    assert (gone.state, gone.note) == (Task.CANCELLED, "not needed")
    riding = await only(store, on_cart.item, "STAGE")
    assert (riding.state, riding.note) == (Task.EXCEPTION, "not needed")
    assert await reasons(start(store, riding)) == "TRANSITION_NOT_ALLOWED"
    opened = await store("sam", tasks_pb2.ReleaseTaskRequest(name=riding.name, reason="bring it anyway"))
    assert opened.state == Task.READY


@pytest.mark.rule("MAT-64")
async def test_a_pick_of_which_a_part_is_issued_is_lowered(store: Plant) -> None:
    task, _, _, _ = await picked(store)
    await store("sam", reservations_pb2.IssueReservationRequest(name=task.reservation, quantity=q(1)))
    assert (await get(store, task)).quantity == q(2)
