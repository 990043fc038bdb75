"""What maintenance does when materials and procurement report what became of its demands (MNT-182, MNT-380)."""

from datetime import date

from plantops.materials.v1.events_pb2 import (
    ReservationAllocated,
    ReservationIssued,
    ReservationReleased,
    ReservationShort,
)
from plantops.procurement.v1.events_pb2 import PurchaseOrderChanged, PurchaseOrderIssued

from services.chassis.unit import Unit
from services.chassis.wire import amount_of, decimal_of, to_date
from services.maintenance.model.demand import CostKind, DemandState, PartDemand
from services.maintenance.model.site import Site
from services.maintenance.model.work_order import State, WorkOrder, allocated

_DONE = (State.COMPLETED, State.CLOSED, State.CANCELLED)


async def mark_allocated(event: ReservationAllocated, unit: Unit) -> None:
    """The part is reserved in full: the order may become ready."""
    order, demand = await _demand(unit, event.work_order, event.demand, event.demand_version)
    if order is not None and demand is not None:
        quantity = decimal_of(event.quantity.value)
        allocated(order, demand, quantity, event.reservation, DemandState.ALLOCATED, unit.now)


async def mark_short(event: ReservationShort, unit: Unit) -> None:
    """A part is missing: the order waits for it."""
    order, demand = await _demand(unit, event.work_order, event.demand, event.demand_version)
    if order is None or demand is None:
        return
    short = decimal_of(event.short_quantity.value)
    demand.expected_date = to_date(event.expected_date) or demand.expected_date
    left = max(demand.quantity - demand.issued - short, type(short)(0))
    allocated(order, demand, left, event.reservation, DemandState.SHORT, unit.now)


async def book_issue(event: ReservationIssued, unit: Unit) -> None:
    """Parts were handed out or came back: quantity and cost follow, once for each movement (MNT-184)."""
    order, demand = await _demand(unit, event.work_order, event.demand, 0)
    if order is None or demand is None:
        return
    quantity = decimal_of(event.quantity.value)
    demand.issued += quantity
    demand.allocated = max(demand.allocated - quantity, type(quantity)(0)) if quantity > 0 else demand.allocated
    if demand.issued >= demand.quantity:
        demand.state = DemandState.ISSUED
    if event.HasField("cost"):
        site = await unit.get(Site, f"sites/{order.site}", lock=False)
        order.book(CostKind.PART, amount_of(event.cost), event.movement, site.today(unit.now))
    order.touch()
    if order.state not in _DONE:
        order.judge(unit.now)


async def mark_released(event: ReservationReleased, unit: Unit) -> None:
    """What was reserved is given back; before completion the order waits again."""
    order, demand = await _demand(unit, event.work_order, event.demand, event.demand_version)
    if order is None or demand is None:
        return
    demand.allocated = type(demand.allocated)(0)
    if demand.state is not DemandState.ISSUED:
        demand.state = DemandState.RELEASED
    order.touch()
    if order.state not in _DONE:
        order.note(unit.now, event.requested_by, f"reservation of {event.item} released: {event.reason}")
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
            if not reference.work_order:
                continue
            order, demand = await _demand(unit, reference.work_order, reference.demand, reference.demand_version)
            if order is not None and demand is not None and expected is not None:
                demand.expected_date = expected
                order.touch()


async def _demand(unit: Unit, work_order: str, key: str, version: int) -> tuple[WorkOrder | None, PartDemand | None]:
    """Order and demand that an event speaks of; nothing for unknown orders and stale versions (MNT-182)."""
    order = await unit.find(WorkOrder, work_order)
    if order is None or (version and version < order.demand_version):
        return None, None
    return order, order.find_demand(key)
