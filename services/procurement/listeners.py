"""What procurement does when others report something: needs, progress, projections (section 6)."""

from decimal import Decimal
from typing import Any

from plantops.maintenance.v1.events_pb2 import PersonChanged, SiteChanged, WorkOrderCancelled
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
from services.chassis.wire import decimal_of, enum_name, json_of, python_of, to_date
from services.procurement.model import buying
from services.procurement.model import purchase_order as orders
from services.procurement.model.purchase_order import PurchaseOrder, ReceiptSeen
from services.procurement.model.requisition import Requisition, SourceKind, State
from services.procurement.model.supplier import ItemFact, SiteFact

OPEN = (State.SUBMITTED, State.APPROVED)
ZERO = Decimal(0)


async def know_site(event: SiteChanged, unit: Unit) -> None:
    """A site's zone and currency."""
    await unit.session.merge(SiteFact(name=event.site, time_zone=event.time_zone, currency_code=event.currency_code))


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
    await unit.session.merge(
        ItemFact(
            name=event.item,
            number=event.number,
            title=event.title,
            base_unit_code=event.base_unit_code,
            conversions=[json_of(row) for row in event.conversions],
            state=event.state,
        )
    )


async def requisition_for_shortage(event: ReservationShort, unit: Unit) -> None:
    """A reservation is short and nobody supplies it: one requisition, changed when the shortage is (PRC-55, PRC-57)."""
    if event.cover != "UNCOVERED":
        return
    need = await _open_need(unit, SourceKind.SHORTAGE, event.reservation)
    short = decimal_of(event.short_quantity.value)
    if need is not None:
        await _change(unit, need, short)
        return
    await _create(
        unit,
        event.site,
        event.item,
        short,
        event.short_quantity.unit_code,
        source_kind=SourceKind.SHORTAGE,
        source=event.reservation,
        source_version=event.version,
        work_order=event.work_order,
        demand=event.demand,
        demand_version=event.demand_version,
        need_date=python_of(event.need_time).date() if event.HasField("need_time") else None,
        delivery_location=event.delivery_location,
        reason=event.cause,
        requester="services/materials",
    )


async def requisition_for_replenishment(event: ReplenishmentNeeded, unit: Unit) -> None:
    """A policy asks for stock: one requisition with the request's total (PRC-67)."""
    if event.outcome != "BUY":
        return
    total = decimal_of(event.quantity.value)
    need = await _open_need(unit, SourceKind.REPLENISHMENT, event.supply_request)
    if need is not None:
        need.source_version = event.version
        await _change(unit, need, total)
        return
    await _create(
        unit,
        event.site,
        event.item,
        total,
        event.quantity.unit_code,
        source_kind=SourceKind.REPLENISHMENT,
        source=event.supply_request,
        source_version=event.version,
        need_date=to_date(event.need_date),
        reason=f"asked by {event.policy_revision}",
        requester="services/materials",
    )


async def drop_allocated(event: ReservationAllocated, unit: Unit) -> None:
    """The shortage has ended: what is not ordered is not needed any more (PRC-59)."""
    await _cancel(unit, event.reservation)


async def drop_released(event: ReservationReleased, unit: Unit) -> None:
    """Nobody waits any more: what is not ordered is not needed (PRC-59)."""
    await _cancel(unit, event.reservation)


async def drop_cancelled_order(event: WorkOrderCancelled, unit: Unit) -> None:
    """A cancelled work order needs nothing that is not ordered yet (PRC-60)."""
    rows = await unit.all(
        select(Requisition)
        .where(Requisition.work_order == event.work_order, Requisition.state.in_(OPEN))  # type: ignore[arg-type, attr-defined]
        .order_by(Requisition.name)
        .with_for_update()
    )
    for need in rows:
        need.move(State.CANCELLED)


async def count_receipt(event: ReceiptPosted, unit: Unit) -> None:
    """Goods are in: progress of the order lines (PRC-150)."""
    known = await _orders(unit, event)
    for row in event.lines:
        order = known.get(row.purchase_order)
        if order is None:
            continue
        line = order.find_line(row.order_line)
        quantity = decimal_of(row.order_quantity.value)
        at_once = quantity if row.status == "UNRESTRICTED" else ZERO
        line.received += quantity
        line.accepted += at_once
        order.touch()
        unit.session.add(
            ReceiptSeen(
                receipt=event.receipt,
                receipt_line=row.receipt_line,
                purchase_order=order.name,
                line=line.line,
                quantity=quantity,
                accepted=at_once,
                base_quantity=decimal_of(row.quantity.value),
            )
        )
    for order in known.values():
        _close_if_done(unit, order)


async def unwind_receipt(event: ReceiptReversed, unit: Unit) -> None:
    """A receipt was taken back: exactly its effects go (PRC-161)."""
    known = await _orders(unit, event)
    for row in event.lines:
        order = known.get(row.purchase_order)
        seen = await unit.session.get(ReceiptSeen, (event.receipt, row.receipt_line), with_for_update=True)
        if order is None or seen is None:
            continue
        if order.state is orders.State.CLOSED:
            order.move(orders.State.ISSUED)
        line = order.find_line(seen.line)
        line.received -= seen.quantity
        line.accepted -= seen.accepted
        seen.quantity = seen.accepted = ZERO
        order.touch()


async def count_accepted(event: InspectionDecided, unit: Unit) -> None:
    """Accepted goods count as accepted on the order line (PRC-158)."""
    seen = await unit.session.get(ReceiptSeen, (event.receipt, event.receipt_line), with_for_update=True)
    order = await unit.find(PurchaseOrder, event.purchase_order) if event.purchase_order else None
    if seen is None or order is None or seen.base_quantity == 0:
        return
    accepted = sum(
        (decimal_of(split.quantity.value) for split in event.splits if split.outcome == "UNRESTRICTED"), ZERO
    )
    share = (accepted * seen.quantity / seen.base_quantity).quantize(Decimal("0.000001"))
    seen.accepted += share
    order.find_line(seen.line).accepted += share
    order.touch()
    _close_if_done(unit, order)


def _close_if_done(unit: Unit, order: PurchaseOrder) -> None:
    """CLOSED comes by itself when all has come and is accepted, or is short-closed (PRC-126)."""
    done = all(line.open_quantity == 0 and line.accepted >= line.received for line in order.lines)
    if done and order.state is orders.State.ISSUED:
        unit.emit(order.close("all is delivered"), correlation=order.chain, also=order.chains)


async def _orders(unit: Unit, event: Any) -> dict[str, PurchaseOrder]:
    return await unit.get_many(PurchaseOrder, [row.purchase_order for row in event.lines if row.purchase_order])


async def _open_need(unit: Unit, kind: SourceKind, source: str) -> Requisition | None:
    found: Requisition | None = await unit.first(
        select(Requisition)
        .where(
            Requisition.source_kind == kind,  # type: ignore[arg-type]
            Requisition.source == source,  # type: ignore[arg-type]
            Requisition.state.in_(OPEN),  # type: ignore[attr-defined]
        )
        .with_for_update()
    )
    return found


async def _create(unit: Unit, site: str, item: str, quantity: Decimal, unit_code: str, **given: Any) -> None:
    need = Requisition(
        name=unit.new_name(site, Requisition.COLLECTION),
        site=site.split("/")[1],
        number=await unit.next_number("RQ"),
        item=item,
        quantity=quantity,
        unit_code=unit_code,
        correlation=unit.correlation,
        **given,
    )
    await buying.propose(unit, need)
    unit.add(need)
    unit.emit(need.created(), correlation=need.chain)
    await unit.flush()
    await buying.decide(unit, need)


async def _change(unit: Unit, need: Requisition, quantity: Decimal) -> None:
    """Another total for the same need; what an order carries already is not changed by an event (PRC-59)."""
    if quantity <= 0:
        need.move(State.CANCELLED)
    elif quantity != need.quantity:
        need.quantity = quantity
        await buying.propose(unit, need)


async def _cancel(unit: Unit, reservation: str) -> None:
    need = await _open_need(unit, SourceKind.SHORTAGE, reservation)
    if need is not None:
        need.move(State.CANCELLED)
