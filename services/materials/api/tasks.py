"""Directed work: claiming, starting, confirming and giving back tasks (MAT-105 .. MAT-109)."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from plantops.materials.v1 import tasks_pb2
from sqlalchemy import select

from services.chassis.faults import FieldInvalid
from services.chassis.query import Page
from services.chassis.unit import Unit
from services.chassis.wire import fill
from services.materials.api import task_work
from services.materials.model import choosing, kanban
from services.materials.model import location as locations
from services.materials.model import task as tasks
from services.materials.model.item import site_fact
from services.materials.model.task import OPEN, Task, TaskState
from services.materials.rules.next_task import Worker

LONGEST_WATCH = timedelta(seconds=25)
LOOK_AGAIN = 0.5
"""Seconds between two looks of a watcher: changes come from all replicas."""


class TaskService:
    """Directed work of all kinds."""

    async def get_task(self, request: Any, unit: Unit) -> Any:
        return Shown(await tasks.find(unit, request.name))

    async def list_tasks(self, request: Any, unit: Unit) -> Any:
        page = await unit.list(Task, request)
        return Page([Shown(task) for task in page.rows], page.next_page_token)

    async def watch_tasks(self, request: Any, unit: Unit) -> AsyncIterator[Any]:
        known: dict[str, int] = {}
        site = request.parent.split("/")[1]
        await site_fact(unit, site)
        lasts = tasks.span(request.watch_duration, "watch_duration", LONGEST_WATCH)
        ends = time.monotonic() + lasts.total_seconds()
        while True:
            for task in await _changed(unit, site, request.person, known):
                yield fill(tasks_pb2.Task(), Shown(task))
            await unit.release()
            left = ends - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(min(left, LOOK_AGAIN))

    async def claim_next_task(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        until = unit.now + tasks.lease_of(request.lease_duration)
        path = 0
        if request.location:
            place = (await locations.named(unit, [request.location])).get(request.location)
            if place is None or place.site != site:
                raise FieldInvalid(field="location", rule="must be a place of the site", value=request.location)
            path = place.path_order
        kinds = frozenset(tasks_pb2.Task.Kind.Name(kind) for kind in request.kinds)
        worker = Worker(path, frozenset(request.skills), frozenset(request.equipment), kinds)
        task = await choosing.choose(unit, site, worker, request.zones)
        if task is None:
            return None
        task.lease(unit.caller.name, device(unit, request), until)
        await unit.flush()
        return tasks_pb2.ClaimNextTaskResponse(task=fill(tasks_pb2.Task(), Shown(task)))

    async def start_task(self, request: Any, unit: Unit) -> Any:
        task = await tasks.find(unit, request.name, etag=request.etag)
        until = unit.now + tasks.lease_of(request.lease_duration)
        mine = device(unit, request)
        await tasks.begin(unit, task, mine, until)
        await kanban.follow(unit, task)
        return Shown(task.hand_to(unit.caller.name, mine, until))

    async def confirm_task(self, request: Any, unit: Unit) -> Any:
        return Shown(await task_work.confirm(unit, request, device(unit, request)))

    async def short_task(self, request: Any, unit: Unit) -> Any:
        return Shown(await task_work.short(unit, request, device(unit, request)))

    async def release_task(self, request: Any, unit: Unit) -> Any:
        task = await tasks.find(unit, request.name, etag=request.etag)
        task.free_for(unit.caller.name, device(unit, request), unit.now)
        return Shown(task.release())

    async def reassign_task(self, request: Any, unit: Unit) -> Any:
        task = await tasks.find(unit, request.name, etag=request.etag)
        if not request.person.startswith("people/"):
            raise FieldInvalid(field="person", rule="must be a person, people/*", value=request.person)
        until = unit.now + tasks.lease_of(request.lease_duration)
        if task.state is not TaskState.STARTED:
            return Shown(task.lease(request.person, request.device, until))
        return Shown(task.hand_to(request.person, request.device, until))


class Shown:
    """A task under its name among tasks of all kinds."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    @property
    def name(self) -> str:
        """Its name among tasks of all kinds."""
        return self._task.task_name


def device(unit: Unit, request: Any) -> str:
    """The scanner: that of the caller's token, else the one that the request names."""
    return unit.caller.device or str(request.device)


async def _changed(unit: Unit, site: str, person: str, known: dict[str, int]) -> list[Task]:
    """Open tasks that are new or changed since the last look, then those that ended; notes what was seen."""
    columns: Any = Task
    where = [columns.site == site, columns.state.in_(OPEN)]
    if person:
        where.append(columns.lease_person == person)
    rows = (await unit.execute(select(columns.name, columns.version).where(*where))).all()
    now = {row.name: row.version for row in rows}
    changed = {name for name, version in now.items() if known.get(name) != version}
    gone = set(known) - set(now)
    known.clear()
    known.update(now)
    if not changed and not gone:
        return []
    wanted = sorted(changed | gone)
    statement = select(Task).where(columns.name.in_(wanted)).order_by(columns.name)
    return list(await unit.all(statement.execution_options(populate_existing=True)))
