"""What follows from stock that comes and goes: who waits is served, policies are asked (MAT-77, 78, 164)."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from plantops.materials.v1.events_pb2 import ReplenishmentNeeded
from sqlalchemy import func, select, text

from services.chassis.unit import Unit
from services.materials.model import ledger, reservation
from services.materials.model.base import Resource
from services.materials.model.item import Item, site_fact
from services.materials.model.ledger import Posting
from services.materials.model.policy import COMING, Kind, Policy, Revision, SupplyRequest
from services.materials.model.receipt import ExpectedReceipt, ExpectedState
from services.materials.model.reservation import Cover, Reservation, State
from services.materials.rules import replenishment

R = TypeVar("R", bound=Resource)

ZERO = Decimal(0)


async def take_up(unit: Unit, model: type[R], name: str, *, etag: str = "") -> R:
    """A document of one item, locked behind the lock of that item's stock (PERF-4)."""
    columns: Any = model
    found = (await unit.execute(select(columns.site, columns.item).where(columns.name == name))).first()
    if found is not None:
        await ledger.hold(unit, found.site, [found.item])
    return await unit.get(model, name, etag=etag)


async def move(unit: Unit, site: str, postings: Sequence[Posting], told: Callable[[], None] | None = None) -> None:
    """Post movements of one document, all or none; tell the document's own event, its movements, what follows."""
    await ledger.post_all(unit, site, postings)
    if told is not None:
        told()
    await follow(unit, site, postings)


async def follow(unit: Unit, site: str, postings: Sequence[Posting]) -> None:
    """Tell posted movements, then serve who waits and ask the policies of what was lost."""
    ledger.tell(unit, postings)
    posted = [item for item in postings if item.fault is None]
    await serve(unit, site, {line.item for item in posted for line in item.lines if line.adds_free_stock})
    lost = {name for item in posted for name in item.loses_stock}
    if lost:
        await unit.flush()
        for item in await _with_policy(unit, site, lost):
            await ask(unit, site, item)


async def serve(unit: Unit, site: str, items: Iterable[str]) -> None:
    """Give free stock to the reservations that wait for it, in the order of their claim (MAT-78)."""
    wanted = set(items)
    rows = await reservation.waiting(unit, site, wanted) if wanted else []
    if not rows:
        return
    fact = await site_fact(unit, site)
    free = await reservation.candidates(unit, site, {row.item for row in rows})
    for row in rows:
        await reservation.allocate(unit, row, free.get(row.item, []), fact)
        if row.judge() and row.state is State.ALLOCATED:
            unit.emit(row.told_allocated(), correlation=row.correlation)


async def claim(unit: Unit, row: Reservation) -> None:
    """Judge a reservation: take stock, else say what covers the missing part (MAT-168)."""
    site = row.site or ""
    fact = await site_fact(unit, site)
    free = await reservation.candidates(unit, site, {row.item})
    await reservation.allocate(unit, row, free.get(row.item, []), fact)
    row.judge()
    await unit.flush()
    request, needed = await _judge(unit, site, row.item)
    if row.state is State.ALLOCATED:
        unit.emit(row.told_allocated(), correlation=row.correlation)
    else:
        row.cause = row.cause or "not enough free stock"
        supply = None if request is not None else await _expected(unit, row)
        if request is not None:
            row.cover, row.supply, row.expected_date = Cover.COVERED_BY_POLICY, request.name, request.need_date
        elif supply is not None:
            row.cover, row.supply, row.expected_date = Cover.COVERED_BY_SUPPLY, supply.name, supply.expected_date
        else:
            row.cover, row.supply, row.expected_date = Cover.UNCOVERED, "", None
        unit.emit(row.told_short(), correlation=row.correlation)
    if request is not None and needed is not None:
        unit.emit(needed, correlation=request.chain)
    await unit.flush()


async def claim_anew(unit: Unit, site: str, rows: Sequence[Reservation], cause: str) -> None:
    """Give back what reservations hold and claim it again, in the order of their claim; then serve who waits.

    The caller holds the items.
    """
    for row in rows:
        await reservation.give_back(unit, row)
        row.cause = cause
    await unit.flush()
    for row in sorted(rows, key=reservation.turn):
        await claim(unit, row)
    await serve(unit, site, {row.item for row in rows})


async def uncover(unit: Unit, site: str, items: Iterable[str], order: str, cause: str) -> None:
    """What an order was to bring will not come: who waited for it is open again, policies are asked (MAT-169).

    The caller holds the items.
    """
    wanted = sorted(set(items))
    rows: Sequence[Reservation] = await unit.all(
        select(Reservation)
        .where(
            Reservation.site == site,  # type: ignore[arg-type]
            Reservation.item.in_(wanted),  # type: ignore[attr-defined]
            Reservation.state == State.SHORT,  # type: ignore[arg-type]
            Reservation.supply.in_(  # type: ignore[attr-defined]
                [order, *await _names_of(unit, order)],
            ),
        )
        .order_by(Reservation.name)
        .with_for_update(of=Reservation)
    )
    for row in rows:
        row.cover, row.supply, row.expected_date, row.cause = Cover.UNCOVERED, "", None, cause
        unit.emit(row.told_short(), correlation=row.correlation)
    await unit.flush()
    for item in await _with_policy(unit, site, wanted):
        await ask(unit, site, item)


async def _names_of(unit: Unit, order: str) -> Sequence[str]:
    return await unit.all(
        select(ExpectedReceipt.name).where(ExpectedReceipt.purchase_order == order)  # type: ignore[call-overload]
    )


async def _with_policy(unit: Unit, site: str, items: Iterable[str]) -> Sequence[str]:
    """Those of the items that a policy in force looks after."""
    return await unit.all(
        select(Policy.item)  # type: ignore[call-overload]
        .where(Policy.site == site, Policy.item.in_(sorted(items)), Policy.active_revision != "")  # type: ignore[attr-defined]
        .order_by(Policy.item)
    )


async def _expected(unit: Unit, row: Reservation) -> ExpectedReceipt | None:
    """An open order that brings more than the waiting reservations before this one need."""
    expected: Sequence[ExpectedReceipt] = await unit.all(
        select(ExpectedReceipt)
        .where(
            ExpectedReceipt.site == row.site,  # type: ignore[arg-type]
            ExpectedReceipt.item == row.item,  # type: ignore[arg-type]
            ExpectedReceipt.state == ExpectedState.OPEN,  # type: ignore[arg-type]
        )
        .order_by(ExpectedReceipt.expected_date, ExpectedReceipt.name)  # type: ignore[arg-type]
    )
    coming = sum((order.awaited_base for order in expected), ZERO)
    others: Decimal = await unit.first(
        select(func.coalesce(func.sum(Reservation.short), 0)).where(
            Reservation.site == row.site,  # type: ignore[arg-type]
            Reservation.item == row.item,  # type: ignore[arg-type]
            Reservation.state == State.SHORT,  # type: ignore[arg-type]
            Reservation.name != row.name,  # type: ignore[arg-type]
        )
    )
    return expected[0] if expected and coming - others >= row.short else None


_POSITION = text("""
    select
      coalesce((select sum(b.on_hand) from balance b left join lot l on l.name = b.lot
                where b.site = :site and b.item = :item and not b.virtual and b.status = 'UNRESTRICTED'
                and (l.expire_date is null or l.expire_date >= :today)), 0) as on_hand,
      coalesce((select sum(on_hand) from balance where site = :site and item = :item and not virtual
                and status = 'INSPECTION'), 0) as inspection,
      coalesce((select sum(quantity) from supply_request where site = :site and item = :item
                and state in ('OPEN', 'CARRIED')), 0) as requested,
      coalesce((select sum(greatest(quantity * base_numerator / base_denominator - received_base, 0))
                from expected_receipt where site = :site and item = :item and state = 'OPEN'), 0) as ordered,
      coalesce((select sum(r.allocated + r.short) from reservation r join item i on i.name = r.item
                where r.site = :site and r.item = :item and r.unit_code = i.base_unit_code
                and r.state in ('PENDING', 'SHORT', 'ALLOCATED')), 0) as demand
""")


async def ask(unit: Unit, site: str, item: str) -> SupplyRequest | None:
    """Ask the item's policy; gives the open request, new, raised or as it was (MAT-167)."""
    await ledger.hold(unit, site, [item])
    request, needed = await _judge(unit, site, item)
    if request is not None and needed is not None:
        unit.emit(needed, correlation=request.chain)
        await unit.flush()
    return request


async def _judge(unit: Unit, site: str, item: str) -> tuple[SupplyRequest | None, ReplenishmentNeeded | None]:
    """The open request of an item, and the event when it is new or raised."""
    policy: Policy | None = await unit.first(
        select(Policy)
        .where(Policy.item == item, Policy.site == site)  # type: ignore[arg-type]
        .with_for_update()
    )
    if policy is None or not policy.active_revision:
        return None, None
    revision = await unit.get(Revision, policy.active_revision, lock=False)
    fact = await site_fact(unit, site)
    today = fact.day(unit.now)
    found = (await unit.execute(_POSITION, {"site": site, "item": item, "today": today})).one()
    position = replenishment.Position(found.on_hand, found.inspection, found.requested, found.ordered, found.demand)
    need = replenishment.needed(
        revision.kind.value, position, revision.reorder_point, revision.order_quantity or ZERO, revision.maximum or ZERO
    )
    request: SupplyRequest | None = await unit.first(
        select(SupplyRequest)
        .where(
            SupplyRequest.site == site,  # type: ignore[arg-type]
            SupplyRequest.item == item,  # type: ignore[arg-type]
            SupplyRequest.state.in_(COMING),  # type: ignore[attr-defined]
        )
        .with_for_update()
    )
    if need <= 0:
        return request, None
    words = [
        *position.words(),
        f"reorder point {replenishment.plain(revision.reorder_point)}",
        f"{Kind(revision.kind)} asks for {replenishment.plain(need)}",
    ]
    if request is None:
        unit_code = (await unit.get(Item, item, lock=False)).base_unit_code
        name = unit.new_name(f"sites/{site}", SupplyRequest.COLLECTION)
        request = SupplyRequest(
            name=name, item=item, quantity=need, unit_code=unit_code, policy_revision=revision.name,
            need_date=today + timedelta(days=revision.lead_days), explanation=words,
            correlation=unit.correlation or name,
        )  # fmt: skip
        unit.add(request)
    else:
        request.quantity += need
        request.explanation = words
    event = request.told()
    await unit.flush()
    return request, event
