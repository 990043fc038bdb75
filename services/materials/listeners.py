"""What materials does when others report something: claims, expected goods, projections (section 6)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from plantops.maintenance.v1.events_pb2 import (
    AssetDown,
    AssetUp,
    PersonChanged,
    SiteChanged,
    WorkOrderApproved,
    WorkOrderCancelled,
    WorkOrderClosed,
    WorkOrderCompleted,
    WorkOrderRescheduled,
    WorkOrderStarted,
)
from plantops.procurement.v1.events_pb2 import (
    PurchaseOrderCancelled,
    PurchaseOrderChanged,
    PurchaseOrderClosed,
    PurchaseOrderIssued,
    RequisitionCreated,
    RequisitionRejected,
    SupplierChanged,
)
from sqlalchemy import select

from services.chassis import access
from services.chassis.faults import Fault
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, python_of, to_date
from services.materials.model import (
    allocating,
    direct_line,
    kanban,
    ledger,
    ordering,
    picking,
    reservation,
    returning,
    softness,
    standing,
    stock,
    substituting,
)
from services.materials.model.item import Item, SiteFact, site_fact
from services.materials.model.location import VIRTUAL, Location
from services.materials.model.lot import Lot
from services.materials.model.receipt import ExpectedReceipt
from services.materials.model.reservation import Cover, Reservation, State
from services.materials.model.supplier import SupplierFact
from services.materials.model.supply_request import RequestState, SupplyRequest


async def know_site(event: SiteChanged, unit: Unit) -> None:
    """A site: its zone and currency, and the virtual locations that stock comes from and goes to."""
    fact = await unit.first(select(SiteFact).where(SiteFact.name == event.site))  # type: ignore[arg-type]
    if fact is None:
        fact = SiteFact(name=event.site, time_zone=event.time_zone, currency_code=event.currency_code)
        unit.session.add(fact)
        for kind in sorted(VIRTUAL):
            name = f"{event.site}/{Location.COLLECTION}/{kind.place_id}"
            unit.add(Location(name=name, title=kind.capitalize(), kind=kind))
    fact.time_zone, fact.currency_code = event.time_zone, event.currency_code


async def know_supplier(event: SupplierChanged, unit: Unit) -> None:
    """A supplier's state; goods of a suspended one are inspected (MAT-98)."""
    fact = await unit.first(select(SupplierFact).where(SupplierFact.name == event.supplier))  # type: ignore[arg-type]
    if fact is None:
        unit.session.add(SupplierFact(name=event.supplier, state=event.state))
    else:
        fact.state = event.state


async def know_person(event: PersonChanged, unit: Unit) -> None:
    """A person's state and grants count here from now on (SEC-4)."""
    grants = [
        access.Grant(
            grant.role, grant.site, python_of(grant.from_time),
            python_of(grant.to_time) if grant.HasField("to_time") else None,
        )
        for grant in event.grants
    ]  # fmt: skip
    state = event.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[event.state].name
    await access.put_principal(unit, event.person, state, grants)


async def reserve_parts(event: WorkOrderApproved, unit: Unit) -> None:
    """All part demands of an order: the difference to what is known is applied by demand id (MNT-180).

    New ones are claimed together, in as many statements as one: the stock of all their items is held meanwhile.
    """
    site = event.work_order.split("/")[1]
    await _hold(unit, event.work_order, [demand.item for demand in event.part_demands])
    known: dict[str, Reservation] = {
        row.demand: row
        for row in await unit.all(
            select(Reservation)
            .where(Reservation.work_order == event.work_order, Reservation.substitutes == "")  # type: ignore[arg-type]
            .order_by(Reservation.name)
            .with_for_update(of=Reservation)
        )
    }
    if any(row.demand_version > event.demand_version for row in known.values()):
        return
    wanted = {demand.demand: demand.item for demand in event.part_demands}
    for row in known.values():
        if wanted.get(row.demand) != row.item and row.state in reservation.OPEN:
            await _release(unit, row, "the demand is gone", event.work_order)
    items = await unit.get_many(Item, wanted.values(), lock=False)
    made: list[Reservation] = []
    for demand in event.part_demands:
        row_known = known.get(demand.demand)
        if row_known is None:
            made.append(unit.add(_reservation(unit, site, event, demand, items.get(demand.item))))
        elif row_known.item == demand.item:
            row_known.demand_version = event.demand_version
            await _resize(unit, row_known, _base(items.get(demand.item), demand)[0])
    if made:
        await unit.flush()
        await stock.schedule(unit, site, made)
        await stock.claim_all(unit, site, made)


async def _hold(unit: Unit, work_order: str, more: list[str]) -> None:
    """Lock the stock of all items that an order's reservations speak of."""
    known = await unit.all(select(Reservation.item).where(Reservation.work_order == work_order))  # type: ignore[call-overload]
    await ledger.hold(unit, work_order.split("/")[1], [*known, *more])


def _base(item: Item | None, demand: Any) -> tuple[Decimal, str, str]:
    """(quantity, unit, what is wrong): in the base unit, up to its grid (MAT-5); as stated where that is not known."""
    stated, unit_code = decimal_of(demand.quantity.value), demand.quantity.unit_code
    if item is None:
        return stated, unit_code, "the item is not known"
    try:
        return item.demanded(stated, unit_code, "quantity"), item.base_unit_code, ""
    except Fault as fault:
        return stated, unit_code, fault.message


def _reservation(unit: Unit, site: str, event: WorkOrderApproved, demand: Any, item: Item | None) -> Reservation:
    quantity, unit_code, wrong = _base(item, demand)
    return Reservation(
        name=unit.new_name(f"sites/{site}", Reservation.COLLECTION), work_order=event.work_order,
        demand=demand.demand, demand_version=event.demand_version, item=demand.item, unit_code=unit_code,
        requested=quantity, short=quantity, delivery_location=demand.delivery_location, priority=event.priority or 3,
        need_time=python_of(demand.need_time) if demand.HasField("need_time") else None, allocations=[],
        cause=wrong, correlation=event.work_order, asset=event.asset,
    )  # fmt: skip


async def _resize(unit: Unit, row: Reservation, quantity: Decimal) -> None:
    """Another quantity for the same demand: what is too much is given back, what is missing is claimed."""
    if row.state is State.ISSUED and quantity > row.issued:
        row.move(State.PENDING)
    elif row.state not in reservation.OPEN:
        return
    smaller = quantity < row.issued + row.allocated + row.substituted
    children: list[Reservation] = []
    if smaller:
        if quantity < row.issued + row.substituted:
            children = await substituting.give_up(unit, [row])
        await allocating.give_back(unit, row)
    row.requested = max(quantity, row.issued + row.substituted) + row.released
    row.share(pending=row.pending, supply_covered=row.supply_covered)
    if row.missing == 0 and row.issued + row.substitute_issued > 0 and row.done and not row.allocations:
        if row.state is State.SHORT:
            row.judge()
            await unit.flush()
        row.move(State.ISSUED)
    else:
        await stock.claim(unit, row)
    if smaller:
        changed = [row, *children]
        await picking.follow(unit, row.site or "", [each.name for each in changed], "less is needed")
        await stock.serve(unit, row.site or "", {each.item for each in changed})


async def move_need(event: WorkOrderRescheduled, unit: Unit) -> None:
    """Need times move with the planned start: stock that expires before is exchanged, claims harden or become soft."""
    await _hold(unit, event.work_order, [])
    fact = await site_fact(unit, event.work_order.split("/")[1])
    rows = await _of(unit, event.work_order)
    site = event.work_order.split("/")[1]
    life = await allocating.life_days(unit, site, (row.item for row in rows))
    lots = await unit.get_many(Lot, [taken.lot for row in rows for taken in row.allocations if taken.lot], lock=False)
    late = []
    for row in rows:
        row.need_time = python_of(event.planned_start_time)
        day = row.needed_on(fact, unit.now) + timedelta(days=life.get(row.item, 0))
        expiries = [lots[taken.lot].expire_date for taken in row.allocations if taken.lot in lots]
        if any(expiry is not None and expiry < day for expiry in expiries):
            late.append(row)
    await stock.schedule(unit, site, rows)
    if late:
        why = "what was allocated expires before it is needed"
        await stock.claim_anew(unit, site, late, why)
        await picking.follow_anew(unit, site, late, why)
    gave = await softness.move(unit, site, [row for row in rows if row not in late])
    await picking.follow(unit, site, gave, "it is needed later")


async def hurry_started(event: WorkOrderStarted, unit: Unit) -> None:
    """Picks and staging of an order that was started come first."""
    await _hold(unit, event.work_order, [])
    await standing.hurry(unit, event.work_order)
    await direct_line.hurry(unit, event.work_order)


async def stop_staging(event: AssetDown, unit: Unit) -> None:
    """What is brought to an asset that stands still waits (MAT-112)."""
    since = python_of(event.start_time) if event.HasField("start_time") else None
    await standing.stop(unit, event.asset, event.standing_assets, since)


async def resume_staging(event: AssetUp, unit: Unit) -> None:
    """The asset runs again: what waited goes on."""
    await standing.resume(unit, event.asset, event.standing_assets)


async def release_completed(event: WorkOrderCompleted, unit: Unit) -> None:
    """What is left of a completed order is given back, unless it is kept (MNT-184)."""
    if not event.keep_reservations:
        await _release_all(unit, event.work_order, "the order is completed")
        await direct_line.end(unit, event.work_order, "its work order is completed")


async def release_closed(event: WorkOrderClosed, unit: Unit) -> None:
    """Nothing stays reserved for a closed order."""
    await _release_all(unit, event.work_order, "the order is closed")
    await direct_line.end(unit, event.work_order, "its work order is closed")


async def release_cancelled(event: WorkOrderCancelled, unit: Unit) -> None:
    """Nothing stays reserved for a cancelled order."""
    await _release_all(unit, event.work_order, f"the order was cancelled: {event.reason}")
    await direct_line.end(unit, event.work_order, f"its work order was cancelled: {event.reason}")


async def _of(unit: Unit, work_order: str) -> list[Reservation]:
    rows = await unit.all(
        select(Reservation)
        .where(Reservation.work_order == work_order, Reservation.state.in_(reservation.OPEN))  # type: ignore[arg-type, attr-defined]
        .order_by(Reservation.name)
        .with_for_update(of=Reservation)
    )
    return list(rows)


async def _release_all(unit: Unit, work_order: str, reason: str) -> None:
    await _hold(unit, work_order, [])
    for row in await _of(unit, work_order):
        if not row.substitutes:
            await _release(unit, row, reason, work_order)


async def _release(unit: Unit, row: Reservation, reason: str, by: str) -> None:
    held = {taken.balance: taken.quantity for taken in row.allocations}
    stand_ins = await unit.get_many(Reservation, row.alternates)
    others = {name: {taken.balance: taken.quantity for taken in each.allocations} for name, each in stand_ins.items()}
    ended = await substituting.give_up(unit, [row])
    await allocating.give_back(unit, row)
    unit.emit(row.release(reason, by), correlation=row.correlation)
    await picking.follow(unit, row.site or "", [each.name for each in (row, *ended)], reason)
    await stock.serve(unit, row.site or "", {each.item for each in (row, *ended)})
    await unit.flush()
    await returning.bring_back(unit, row, held, reason)
    for each in ended:
        await returning.bring_back(unit, each, others[each.name], reason)


async def carry_request(event: RequisitionCreated, unit: Unit) -> None:
    """A requisition carries a supply request or a short reservation: nothing is asked twice (MAT-167)."""
    await ledger.hold(unit, event.requisition.split("/")[1], [event.item])
    if event.supply_request:
        request = await unit.find(SupplyRequest, event.supply_request)
        if request is not None and request.state is RequestState.OPEN:
            request.carry(event.requisition)
    if event.reservation:
        row = await unit.find(Reservation, event.reservation)
        if row is not None and row.state is State.SHORT and row.cover is not Cover.COVERED_BY_SUPPLY:
            row.supply = event.requisition
            row.expected_date = to_date(event.expected_date) or row.expected_date


async def reopen_request(event: RequisitionRejected, unit: Unit) -> None:
    """A refused requisition leaves its need open again (MAT-169)."""
    await ledger.hold(unit, event.requisition.split("/")[1], [event.item])
    if event.supply_request:
        request = await unit.find(SupplyRequest, event.supply_request)
        if request is not None:
            request.reopen()
    if event.reservation:
        row = await unit.find(Reservation, event.reservation)
        if row is not None and row.state is State.SHORT:
            row.cover_by(Cover.UNCOVERED)


async def expect_goods(event: PurchaseOrderIssued, unit: Unit) -> None:
    """An issued order: each schedule line becomes an expected receipt (MAT-95)."""
    await _expect(event, unit)


async def expect_goods_anew(event: PurchaseOrderChanged, unit: Unit) -> None:
    """Another revision is in force: expected receipts follow it."""
    await _expect(event, unit)


_GOODS = ("", "STOCK", "DIRECT")
"""Kinds of order lines that bring goods; a line without kind is stock."""


async def _expect(event: Any, unit: Unit) -> None:
    """Expected receipts are as the order says; what it names no more is closed."""
    site = event.purchase_order.split("/")[1]
    key = event.purchase_order.rsplit("/", 1)[-1]
    before = await unit.all(
        select(ExpectedReceipt.item).where(ExpectedReceipt.purchase_order == event.purchase_order)  # type: ignore[call-overload]
    )
    lines = [line for line in event.lines if line.kind in _GOODS]
    await ledger.hold(unit, site, {*before, *(line.item for line in lines)} - {""})
    known = await ordering.known(unit, event.purchase_order)
    closed: set[str] = set()
    for line in lines:
        for schedule in line.schedules:
            row = known.pop((line.line, schedule.schedule), None)
            if row is None:
                row = ExpectedReceipt(
                    name=f"sites/{site}/{ExpectedReceipt.COLLECTION}/{key}-{line.line}-{schedule.schedule}",
                    purchase_order=event.purchase_order, order_line=line.line,
                    schedule_line=schedule.schedule, supplier=event.supplier, item=line.item,
                    correlation=unit.correlation,
                    unit_code=schedule.quantity.unit_code, quantity=Decimal(0), open_quantity=Decimal(0),
                    accept_limit=Decimal(0), base_numerator=1, base_denominator=1,
                )  # fmt: skip
                ordering.fill(row, line, schedule)
                unit.add(row)
            elif ordering.fill(row, line, schedule):
                closed.add(row.item)
        for reference in line.references:
            await _ordered(unit, event.purchase_order, reference, line)
    closed |= {row.item for row in known.values() if row.close()}
    closed -= {""}  # what has no item waits for nobody
    if closed:
        await unit.flush()
        await stock.uncover(unit, site, closed, event.purchase_order, f"{event.purchase_order} brings no more")
        await kanban.come_back(unit, site, event.purchase_order, closed)


async def _ordered(unit: Unit, order: str, reference: Any, line: Any) -> None:
    days = [to_date(schedule.expected_date) for schedule in line.schedules]
    expected = max((day for day in days if day is not None), default=None)
    if reference.supply_request:
        request = await unit.find(SupplyRequest, reference.supply_request)
        if request is not None and request.state in (RequestState.OPEN, RequestState.CARRIED):
            request.carry(order)
            await unit.flush()
            request.move(RequestState.SATISFIED)
            await kanban.on_its_way(unit, [request.name])
    if reference.reservation:
        row = await unit.find(Reservation, reference.reservation)
        if row is not None and row.state is State.SHORT:
            row.cover_by(Cover.COVERED_BY_SUPPLY, order, expected)


async def drop_closed(event: PurchaseOrderClosed, unit: Unit) -> None:
    """Nothing more will come; who still waits for it is open again (MAT-169)."""
    await _drop(event.purchase_order, unit, f"{event.purchase_order} was closed")


async def drop_cancelled(event: PurchaseOrderCancelled, unit: Unit) -> None:
    """A cancelled order brings nothing: what it covered is open again (MAT-169)."""
    await _drop(event.purchase_order, unit, f"{event.purchase_order} was cancelled")


async def _drop(order: str, unit: Unit, cause: str) -> None:
    site = order.split("/")[1]
    items = set(
        await unit.all(select(ExpectedReceipt.item).where(ExpectedReceipt.purchase_order == order))  # type: ignore[call-overload]
    ) - {""}
    await ledger.hold(unit, site, items)
    for row in (await ordering.known(unit, order)).values():
        row.close()
    await unit.flush()
    if items:
        await stock.uncover(unit, site, items, order, cause)
        await kanban.come_back(unit, site, order, items)
