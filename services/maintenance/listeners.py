"""What maintenance does when materials and procurement report what became of its demands (MNT-182, MNT-380)."""

from datetime import date
from decimal import Decimal

from plantops.materials.v1.events_pb2 import (
    ReservationAllocated,
    ReservationIssued,
    ReservationReleased,
    ReservationShort,
)
from plantops.procurement.v1.events_pb2 import PurchaseOrderCancelled, PurchaseOrderChanged, PurchaseOrderIssued

from services.chassis.unit import Unit
from services.chassis.wire import amount_of, decimal_of, to_date
from services.maintenance.model.demand import CostKind, PartDemand
from services.maintenance.model.site import Site
from services.maintenance.model.work_order import ENDED, WorkOrder


async def mark_allocated(event: ReservationAllocated, unit: Unit) -> None:
    """The part is reserved in full: the order may become ready."""
    order, demand = await _demand(unit, event.work_order, event.demand, event.demand_version)
    if order is not None and demand is not None:
        demand.reserved(decimal_of(event.quantity.value), event.reservation)
        _judge(order, unit)


async def mark_short(event: ReservationShort, unit: Unit) -> None:
    """A part is missing: the order waits for it."""
    order, demand = await _demand(unit, event.work_order, event.demand, event.demand_version)
    if order is not None and demand is not None:
        left = demand.quantity - demand.issued - decimal_of(event.short_quantity.value)
        demand.reserved(max(left, Decimal(0)), event.reservation, expected=to_date(event.expected_date))
        _judge(order, unit)


async def book_issue(event: ReservationIssued, unit: Unit) -> None:
    """Parts were handed out or came back: quantity and cost follow, once for each movement (MNT-184, MNT-260)."""
    order, demand = await _demand(unit, event.work_order, event.demand, 0)
    if order is None or demand is None or order.booked(event.movement):
        return
    demand.handed_out(decimal_of(event.quantity.value))
    if event.HasField("cost"):
        site = await unit.get(Site, f"sites/{order.site}", lock=False)
        at = unit.event.time if unit.event is not None else unit.now
        order.book(CostKind.PART, amount_of(event.cost), event.movement, site.today(at))
    _judge(order, unit)


async def mark_released(event: ReservationReleased, unit: Unit) -> None:
    """What was reserved is given back; before completion the order waits again."""
    order, demand = await _demand(unit, event.work_order, event.demand, event.demand_version)
    if order is None or demand is None:
        return
    demand.released()
    if order.state not in ENDED:
        order.note(unit.now, event.requested_by, f"reservation of {event.item} released: {event.reason}")
    _judge(order, unit)


def _judge(order: WorkOrder, unit: Unit) -> None:
    order.touch()
    order.judge(unit.now)


async def expect_parts(event: PurchaseOrderIssued, unit: Unit) -> None:
    """A part is ordered: its demand gets an expected date (MNT-185)."""
    await _expect(event, unit)


async def expect_parts_anew(event: PurchaseOrderChanged, unit: Unit) -> None:
    """An order changed: so may the expected dates."""
    await _expect(event, unit)


async def _expect(event: PurchaseOrderIssued | PurchaseOrderChanged, unit: Unit) -> None:
    for line in event.lines:
        days = [to_date(schedule.expected_date) for schedule in line.schedules]
        expected: date | None = max((day for day in days if day is not None), default=None)
        for reference in line.references:
            order, demand = await _demand(unit, reference.work_order, reference.demand, reference.demand_version)
            if order is not None and demand is not None and expected is not None:
                demand.expected_date = expected
                order.touch()


async def forget_expected(event: PurchaseOrderCancelled, unit: Unit) -> None:
    """An order was given up: nothing is expected by it any more."""
    for reference in event.references:
        order, demand = await _demand(unit, reference.work_order, reference.demand, reference.demand_version)
        if order is not None and demand is not None:
            demand.expected_date = None
            order.touch()


async def _demand(unit: Unit, work_order: str, key: str, version: int) -> tuple[WorkOrder | None, PartDemand | None]:
    """Order and demand that an event speaks of; nothing for unknown orders and stale versions (MNT-182)."""
    order = await unit.find(WorkOrder, work_order) if work_order else None
    if order is None or (version and version < order.demand_version):
        return None, None
    return order, order.find_demand(key)
