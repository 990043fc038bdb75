"""Doing tasks: what each kind moves when it is confirmed, and what a short pick leads to (MAT-106 .. MAT-108)."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm.exc import StaleDataError

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.materials.api import direct_lines, put_away, task_scans
from services.materials.api.task_scans import Seen
from services.materials.model import bins, claims, content, kanban, picking, ship_tasks, stock
from services.materials.model import task as tasks
from services.materials.model.bins import ZeroCheckNeeded, ZeroConfirmation
from services.materials.model.ledger import Line, Posting, by_serial
from services.materials.model.movement import MovementKind
from services.materials.model.task import LEASE, Kind, Task, TaskState
from services.materials.rules import bin_check
from services.materials.rules.bin_check import Check


async def confirm(unit: Unit, request: Any, device: str) -> Task:
    """All of a task was done as it says; a late one is judged as a fact while nobody else has it (MAT-105)."""
    task, around = await _take_up(unit, request, device)
    seen = await task_scans.read(unit, task, request.scan)
    match task.kind:
        case Kind.EXCEPTION_TASK:
            if not request.note:
                raise FieldInvalid(field="note", rule="is required: what was done")
            task.note = request.note
            task.move(TaskState.COMPLETED)
        case Kind.COUNT:
            await _count(unit, task, seen)
        case Kind.PUT_AWAY:
            await put_away.put(unit, task, seen.to, around, field="scan.to_location")
        case Kind.PICK:
            task.move(TaskState.COMPLETED)
            await _pick(unit, task, seen, device)
        case Kind.STAGE if not task.item:
            await direct_lines.staged(unit, task, seen)
        case _:
            await _bring(unit, task, seen, around)
            await unit.flush()
            await kanban.follow(unit, task)
            if task.shipment:
                await ship_tasks.brought(unit, task)
    return task


async def short(unit: Unit, request: Any, device: str) -> Task:
    """Less was found than was to be picked: the rest is counted and allocated elsewhere (MAT-107)."""
    task, _ = await _take_up(unit, request, device)
    if task.kind is not Kind.PICK:
        raise FieldInvalid(field="name", rule=f"must be a pick, not {task.kind}", value=request.name)
    seen = await task_scans.read(unit, task, request.scan, short=True)
    task.move(TaskState.SHORTENED)
    if seen.quantity > 0:
        await _pick(unit, task, seen, device, check=False)
    else:
        task.done_quantity = seen.quantity
        await unit.flush()
    await picking.shorten(unit, task, seen.quantity, request.reason_code, lock_bin=request.lock_bin)
    return task


async def _take_up(unit: Unit, request: Any, device: str) -> tuple[Task, content.TakenUp | None]:
    """The task, begun by the caller, and the handling unit that is brought away as a whole, both locked."""
    columns: Any = Task
    known = (
        await unit.execute(
            select(columns.handling_unit, columns.kind).where(columns.name.in_(tasks.names_of(request.name)))
        )
    ).first()
    whole = known is not None and known.handling_unit and known.kind is not Kind.PICK
    around = await content.take_up_around(unit, known.handling_unit) if known is not None and whole else None
    task = await tasks.take_up(unit, request.name, etag=request.etag)
    if known is not None and task.handling_unit != known.handling_unit:
        raise StaleDataError(f"{task.name} was packed meanwhile")
    await tasks.begin(unit, task, device, task.lease_expire_time or unit.now + LEASE)
    return task, around


async def _pick(unit: Unit, task: Task, seen: Seen, device: str, *, check: bool = True) -> None:
    """Goods leave the bin with the claim on them, and have to be staged; an empty bin is looked at (MAT-108)."""
    task.to_location, task.to_handling_unit = seen.to.name, seen.handling_unit
    task.done_quantity, task.second_quantity = seen.quantity, seen.second
    task.second_quantity_unit_code = seen.second_unit_code
    line = Line(
        item=task.item, lot=task.lot, quantity=seen.quantity, unit_code=task.unit_code,
        from_location=task.from_location, to_location=seen.to.name, from_handling_unit=task.handling_unit,
        to_handling_unit=seen.handling_unit, from_status=task.status, to_status=task.status, entered=seen.entered,
        second_quantity=seen.second, second_unit_code=seen.second_unit_code,
    )  # fmt: skip
    await _post(unit, task, MovementKind.PICK, line, seen)
    await picking.stage(unit, task, seen.quantity, seen.second, seen.serials)
    left = await bins.left(unit, task.from_location) if check else None
    if left is None:
        return
    match bin_check.check(left, seen.rest):
        case Check.ASK:
            raise ZeroCheckNeeded(task=task.task_name, location=task.from_location)
        case Check.CONFIRMED:
            _saw(unit, task, device, empty=True)
        case Check.COUNT:
            _saw(unit, task, device, empty=left > 0)
            await bins.count(unit, task, f"after {task.task_name} it is not as the books say")


def _saw(unit: Unit, task: Task, device: str, *, empty: bool) -> None:
    unit.session.add(
        ZeroConfirmation(
            task=task.name, site=task.site or "", location=task.from_location, item=task.item, lot=task.lot,
            empty=empty, person=unit.caller.name, device=device, confirm_time=unit.now,
        )
    )  # fmt: skip


async def _bring(unit: Unit, task: Task, seen: Seen, around: content.TakenUp | None) -> None:
    """Goods go on to another place, with the claims on them."""
    task.move(TaskState.COMPLETED)
    if seen.to.name == task.from_location:
        rule = "must differ from where the goods are"
        raise FieldInvalid(field="scan.to_location", rule=rule, value=seen.to.name)
    task.to_location, task.done_quantity = seen.to.name, seen.quantity
    if around is not None:
        await put_away.put_unit(unit, task, seen.to, around)
        return
    line = Line(
        item=task.item, lot=task.lot, quantity=task.quantity, unit_code=task.unit_code,
        from_location=task.from_location, to_location=seen.to.name, from_status=task.status, to_status=task.status,
        second_quantity=task.second_quantity, second_unit_code=task.second_quantity_unit_code, entered=seen.entered,
    )  # fmt: skip
    await _post(unit, task, MovementKind.MOVE, line, seen)


async def _post(unit: Unit, task: Task, kind: MovementKind, line: Line, seen: Seen) -> None:
    site = task.site or ""
    lines = by_serial(line, seen.serials)
    if task.reservation:
        taken = await claims.attach_own(unit, site, lines, task.reservation)
    else:
        taken = await claims.attach(unit, site, lines)
    posting = Posting.new(unit, site, kind, *lines, source=task.name, correlation=task.chain)
    await stock.move(unit, site, [posting])
    await claims.carry(unit, taken)
    task.movement = posting.name


async def _count(unit: Unit, task: Task, seen: Seen) -> None:
    """What was counted is noted; the bin gives stock of the item out again, and who waits is served."""
    task.move(TaskState.COMPLETED)
    task.done_quantity = seen.quantity
    if await bins.unlock(unit, task):
        await unit.flush()
        await stock.serve(unit, task.site or "", {task.item})
