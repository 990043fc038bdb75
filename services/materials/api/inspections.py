"""Usage decisions on what came in."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from services.chassis.unit import Unit
from services.chassis.wire import enum_name
from services.materials.model import location as locations
from services.materials.model import second_quantity, stock
from services.materials.model.inspection import InspectionLot, Outcome, Part
from services.materials.model.item import Item
from services.materials.model.ledger import Line, Posting, by_serial
from services.materials.model.location import Kind
from services.materials.model.lot import named
from services.materials.model.movement import MovementKind, Status
from services.materials.model.task import OPEN, PUT_AWAYS, Task, TaskState
from services.materials.model.task import Kind as TaskKind


class InspectionService:
    """What may be used."""

    async def get_inspection_lot(self, request: Any, unit: Unit) -> Any:
        return await unit.get(InspectionLot, request.name)

    async def list_inspection_lots(self, request: Any, unit: Unit) -> Any:
        return await unit.list(InspectionLot, request)

    async def decide_usage(self, request: Any, unit: Unit) -> Any:
        lot = await stock.take_up(unit, InspectionLot, request.name, etag=request.etag)
        site = lot.site or ""
        item = await unit.get(Item, lot.item, lock=False)
        parts = []
        for split in request.splits:
            amount, entered = item.stated(split.quantity, "splits.quantity")
            second, _ = second_quantity.stated(item, split, amount, confirmed=request.confirm_weight, prefix="splits.")
            serials = named(item, split.serials, amount, "splits.serials")
            parts.append(Part(Outcome(enum_name(split, "outcome")), amount, split.note, entered, second, serials))
        unit.emit(lot.decide(parts, unit.caller.name, unit.now), correlation=lot.chain)
        postings = []
        for part in parts:
            scrap = part.outcome is Outcome.SCRAP
            target = await locations.virtual(unit, site, Kind.SCRAP) if scrap else None
            line = Line(
                item=lot.item, lot=lot.lot, quantity=part.quantity, unit_code=lot.unit_code, from_location=lot.location,
                to_location=target.name if target else lot.location, to_virtual=scrap, from_status=Status.INSPECTION,
                to_status=Status.UNRESTRICTED if scrap else Status(part.outcome.value),
                second_quantity=part.second, second_unit_code=lot.second_quantity_unit_code, entered=part.entered,
                from_handling_unit=lot.handling_unit, to_handling_unit="" if scrap else lot.handling_unit,
                from_owner=lot.owner, to_owner=lot.owner,
            )  # fmt: skip
            postings.append(
                Posting.new(
                    unit, site, MovementKind.SCRAP if scrap else MovementKind.STATUS_CHANGE,
                    *by_serial(line, part.serials), source=lot.name, correlation=lot.chain,
                    reason_code="INSPECTION" if scrap else "",
                )
            )  # fmt: skip
        await _split_task(unit, lot, parts)
        await stock.move(unit, site, postings)
        return lot


async def _split_task(unit: Unit, lot: InspectionLot, parts: Sequence[Part]) -> None:
    """An open put-away task follows the decision: one task for each status of what is still there."""
    task: Task | None = await unit.first(
        select(Task)
        .where(
            Task.receipt == lot.receipt,  # type: ignore[arg-type]
            Task.receipt_line == lot.receipt_line,  # type: ignore[arg-type]
            Task.kind == TaskKind.PUT_AWAY,  # type: ignore[arg-type]
            Task.state.in_(OPEN),  # type: ignore[attr-defined]
            Task.status == Status.INSPECTION,  # type: ignore[arg-type]
        )
        .with_for_update()
    )
    if task is None:
        return
    if len(parts) == 1 and parts[0].quantity == task.quantity and parts[0].outcome is not Outcome.SCRAP:
        task.status = Status(parts[0].outcome.value)
        return
    rest = task.quantity
    for part in parts:
        rest -= part.quantity
        if part.outcome is not Outcome.SCRAP:
            unit.add(_copy(unit, task, part))
        if task.second_quantity is not None and part.second is not None:
            task.second_quantity -= part.second
    if rest > 0:
        task.quantity = rest
        task.serials = sorted(set(task.serials) - {serial for part in parts for serial in part.serials})
    else:
        task.move(TaskState.CANCELLED)


def _copy(unit: Unit, task: Task, part: Part) -> Task:
    return Task(
        name=unit.new_name(f"sites/{task.site}", PUT_AWAYS), item=task.item, lot=task.lot,
        from_location=task.from_location, proposed_location=task.proposed_location, quantity=part.quantity,
        unit_code=task.unit_code, status=Status(part.outcome.value), receipt=task.receipt,
        receipt_line=task.receipt_line, correlation=task.correlation, second_quantity=part.second,
        second_quantity_unit_code=task.second_quantity_unit_code, serials=list(part.serials),
        handling_unit=task.handling_unit, owner=task.owner,
    )  # fmt: skip
