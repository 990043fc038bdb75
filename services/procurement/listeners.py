"""What procurement does when others report something: needs, progress, projections (section 6)."""

from collections.abc import Sequence
from typing import Any

from plantops.maintenance.v1.events_pb2 import PersonChanged, SiteChanged, WorkOrderCancelled, WorkOrderRescheduled
from plantops.materials.v1.events_pb2 import (
    InspectionDecided,
    ItemChanged,
    ReceiptPosted,
    ReceiptReversed,
    ReplenishmentNeeded,
    ReservationAllocated,
    ReservationReleased,
    ReservationShort,
)
from sqlalchemy import select

from services.chassis import access
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, enum_name, python_of, to_date
from services.procurement.model import facts, needs, progress
from services.procurement.model.needs import Source
from services.procurement.model.requisition import Requisition, SourceKind, State


async def know_site(event: SiteChanged, unit: Unit) -> None:
    """A site's zone and currency."""
    await facts.learn_site(unit, event)


async def know_person(event: PersonChanged, unit: Unit) -> None:
    """A person's state and grants count here from now on (SEC-4)."""
    grants = [
        access.Grant(
            grant.role,
            grant.site,
            python_of(grant.from_time),
            python_of(grant.to_time) if grant.HasField("to_time") else None,
        )
        for grant in event.grants
    ]
    await access.put_principal(unit, event.person, enum_name(event, "state"), grants)


async def know_item(event: ItemChanged, unit: Unit) -> None:
    """An item's units and state."""
    await facts.learn_item(unit, event)


async def requisition_for_shortage(event: ReservationShort, unit: Unit) -> None:
    """A reservation is short: one requisition for what nobody supplies, changed as the shortage is (PRC-55, PRC-57)."""
    site = event.site.split("/")[1]
    source = Source(
        SourceKind.SHORTAGE,
        event.reservation,
        event.version,
        site,
        event.item,
        event.short_quantity.unit_code,
        {
            "work_order": event.work_order,
            "demand": event.demand,
            "demand_version": event.demand_version,
            "need_date": await facts.day_of(unit, site, python_of(event.need_time))
            if event.HasField("need_time")
            else None,
            "delivery_location": event.delivery_location,
            "reason": event.cause,
            "requester": "services/materials",
        },
    )
    if event.cover == "UNCOVERED":
        await needs.follow(unit, source, decimal_of(event.short_quantity.value))
    else:
        await needs.covered(unit, source)


async def requisition_for_replenishment(event: ReplenishmentNeeded, unit: Unit) -> None:
    """A policy asks for stock: one requisition with the request's total (PRC-67)."""
    if event.outcome != "BUY":
        return
    source = Source(
        SourceKind.REPLENISHMENT,
        event.supply_request,
        event.version,
        event.site.split("/")[1],
        event.item,
        event.quantity.unit_code,
        {
            "need_date": to_date(event.need_date),
            "reason": f"asked by {event.policy_revision}",
            "requester": "services/materials",
        },
    )
    await needs.follow(unit, source, decimal_of(event.quantity.value))


async def drop_allocated(event: ReservationAllocated, unit: Unit) -> None:
    """The shortage has ended: what is not ordered is not needed any more (PRC-59)."""
    await needs.end(unit, await _of(unit, Requisition.source == event.reservation))


async def drop_released(event: ReservationReleased, unit: Unit) -> None:
    """Nobody waits any more: what is not ordered is not needed (PRC-59)."""
    await needs.end(unit, await _of(unit, Requisition.source == event.reservation))


async def drop_cancelled_order(event: WorkOrderCancelled, unit: Unit) -> None:
    """A cancelled work order needs nothing that is not ordered yet (PRC-60)."""
    await needs.end(unit, await _of(unit, Requisition.work_order == event.work_order))


async def move_need(event: WorkOrderRescheduled, unit: Unit) -> None:
    """The days of what is not ordered move with the planned start (PRC-60)."""
    for need in await _of(unit, Requisition.work_order == event.work_order):
        if need.state in needs.OPEN:
            need.need_date = await facts.day_of(unit, need.site or "", python_of(event.planned_start_time))


async def count_receipt(event: ReceiptPosted, unit: Unit) -> None:
    """Goods are in: progress of the order lines (PRC-150)."""
    await progress.count(unit, event.receipt, event.lines)


async def unwind_receipt(event: ReceiptReversed, unit: Unit) -> None:
    """A receipt was taken back: exactly its effects go (PRC-161)."""
    await progress.unwind(unit, event.receipt, event.lines)


async def count_decision(event: InspectionDecided, unit: Unit) -> None:
    """Accepted and rejected goods count on the order line (PRC-158)."""
    await progress.decided(unit, event)


async def _of(unit: Unit, condition: Any) -> Sequence[Requisition]:
    """Requisitions that are open or ordered, locked."""
    found: Sequence[Requisition] = await unit.all(
        select(Requisition)
        .where(condition, Requisition.state.in_((*needs.OPEN, State.CLOSED)))  # type: ignore[attr-defined]
        .order_by(Requisition.name)
        .with_for_update()
    )
    return found
