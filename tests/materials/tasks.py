"""Directed work as storekeepers do it."""

from typing import Any

from plantops.maintenance.v1 import events_pb2 as maintenance
from plantops.materials.v1 import tasks_pb2, waves_pb2

from tests.materials.builders import SITE, at, claim_of, fresh, numbered, place, q, tell, work_order
from tests.world import Plant

Task = tasks_pb2.Task
Scan = tasks_pb2.TaskScan
Wave = waves_pb2.Wave


async def yard(plant: Plant, **limits: Any) -> tuple[str, str, str]:
    """(bin, cart, staging) of a test's own."""
    names = (fresh("bin"), fresh("cart"), fresh("staging"))
    for name, kind in zip(names, ("STORAGE", "CART", "STAGING"), strict=True):
        await place(plant, name, kind, **(limits if kind == "STAGING" else {}))
    return names


async def demand(
    plant: Plant, item: str, value: int, staging: str = "", *, asset: str = "", order: str = "", **given: Any
) -> Any:
    """A reservation of a work order that wants its part at a staging place."""
    order = order or work_order()
    event = maintenance.WorkOrderApproved(
        work_order=order, demand_version=1, priority=given.get("priority", 3), asset=asset
    )
    key = fresh("d")
    row = event.part_demands.add(demand=key, item=item, quantity=q(value), delivery_location=at(staging))
    if not staging:
        row.delivery_location = ""
    if "need" in given:
        row.need_time.FromDatetime(given["need"])
    await tell(plant, "maintenance", numbered(event, order), correlation=order)
    return await claim_of(plant, order, key)


async def waved(plant: Plant, *claims: Any, units: tuple[str, ...] = (), **given: Any) -> Any:
    """A wave that was released."""
    lines = [
        Wave.Line(reservation=claim.name, handling_unit=units[number] if units else "")
        for number, claim in enumerate(claims)
    ]
    wave = Wave(lines=lines, cluster=bool(units), **given)
    made = await plant("sam", waves_pb2.CreateWaveRequest(parent=SITE, wave=wave))
    return await plant("sam", waves_pb2.ReleaseWaveRequest(name=made.name))


async def tasks_of(plant: Plant, item: str, kind: str = "", *, all_states: bool = False) -> list[Any]:
    """Tasks of an item that are not ended, or all."""
    answer = await plant("vic", tasks_pb2.ListTasksRequest(parent=SITE, filter=f'item = "{item}"'))
    ended = (Task.COMPLETED, Task.SHORTENED, Task.CANCELLED)
    return [
        task
        for task in answer.tasks
        if (not kind or Task.Kind.Name(task.kind) == kind) and (all_states or task.state not in ended)
    ]


async def only(plant: Plant, item: str, kind: str = "") -> Any:
    """The one open task of an item."""
    (task,) = await tasks_of(plant, item, kind)
    return task


async def get(plant: Plant, task: Any) -> Any:
    return await plant("vic", tasks_pb2.GetTaskRequest(name=task.name))


async def claim(plant: Plant, person: str = "sam", **given: Any) -> Any:
    """The next task of a person; None without one."""
    answer = await plant(person, tasks_pb2.ClaimNextTaskRequest(parent=SITE, **given))
    return answer.task if answer.HasField("task") else None


async def start(plant: Plant, task: Any, person: str = "sam", **given: Any) -> Any:
    return await plant(person, tasks_pb2.StartTaskRequest(name=task.name, **given))


def scanned(task: Any, to: str, value: int | None = None, **given: Any) -> Scan:
    """All that a task asks to be scanned."""
    values = {
        "from_location": task.from_location, "goods": task.item, "to_location": at(to) if to else "",
        "quantity": q(task.quantity.value if value is None else value), **given,
    }  # fmt: skip
    return Scan(**values)


async def confirm(plant: Plant, task: Any, to: str, person: str = "sam", **given: Any) -> Any:
    """Confirm a task with all scans; keywords replace or add scans."""
    request = tasks_pb2.ConfirmTaskRequest(name=task.name, scan=scanned(task, to, **given))
    return await plant(person, request)


async def short(plant: Plant, task: Any, to: str, found: int, person: str = "sam", **given: Any) -> Any:
    """A pick of which so much was found."""
    more = {name: given.pop(name) for name in ("lock_bin", "reason_code") if name in given}
    request = tasks_pb2.ShortTaskRequest(
        name=task.name, scan=scanned(task, to, found, **given), **{"reason_code": "NOT_FOUND", **more}
    )
    return await plant(person, request)


async def expire(plant: Plant, task: Any) -> None:
    """Let a task's lease run out."""
    with plant.look("materials") as connection:
        connection.execute(
            "update put_away_task set lease_expire_time = now() - interval '1 second' where name like %s",
            ["%/" + task.name.rsplit("/", 1)[-1]],
        )
