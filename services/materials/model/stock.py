"""What follows from stock that comes and goes: who waits is served, policies are asked (MAT-77, 78, 164)."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text

from services.chassis.unit import Unit
from services.materials.model import ledger, reservation, value
from services.materials.model.item import Item, SiteFact
from services.materials.model.ledger import MovementKind, Posting
from services.materials.model.policy import COMING, Kind, Policy, Revision, SupplyRequest
from services.materials.model.receipt import ExpectedReceipt, ExpectedState
from services.materials.model.reservation import Cover, Reservation, State
from services.materials.rules import replenishment

ZERO = Decimal(0)

_VALUE_OUT = frozenset({MovementKind.ISSUE, MovementKind.SCRAP})


async def move(unit: Unit, site: str, postings: Sequence[Posting]) -> None:
    """Value and post movements of one document, all or none, then serve who waits."""
    for item in sorted(postings, key=lambda posting: posting.item):
        if not item.from_virtual and item.to_virtual and item.cost is None:
            await value.take(unit, site, item)
        elif item.from_virtual and not item.to_virtual:
            await value.put(unit, site, item, item.cost)
    await ledger.post_all(unit, site, postings)
    await serve(unit, site, {item.item for item in postings if item.adds_free_stock})


async def serve(unit: Unit, site: str, items: Iterable[str]) -> None:
    """Give free stock to the reservations that wait for it, in the order of their claim."""
    for item in sorted(set(items)):
        for row in await reservation.waiting(unit, site, item):
            await reservation.allocate(unit, row)
            if row.missing > 0 and not row.allocations:
                break
            if row.judge() and row.state is State.ALLOCATED:
                unit.emit(row.told_allocated(), correlation=row.correlation)


async def claim(unit: Unit, row: Reservation) -> None:
    """Judge a reservation: take stock, else say what covers the missing part (MAT-168)."""
    await reservation.allocate(unit, row)
    row.judge()
    await unit.flush()
    if row.state is State.ALLOCATED:
        unit.emit(row.told_allocated(), correlation=row.correlation)
        await ask(unit, row.site or "", row.item)
        return
    row.cause = row.cause or "not enough free stock"
    request = await ask(unit, row.site or "", row.item)
    if request is not None:
        row.cover, row.supply, row.expected_date = Cover.COVERED_BY_POLICY, request.name, request.need_date
    else:
        supply = await _expected(unit, row)
        if supply is not None:
            row.cover, row.supply, row.expected_date = Cover.COVERED_BY_SUPPLY, supply.name, supply.expected_date
        else:
            row.cover = Cover.UNCOVERED
    unit.emit(row.told_short(), correlation=row.correlation)


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
    coming = sum((Decimal(order.awaited) * order.base_numerator / order.base_denominator for order in expected), ZERO)
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
      coalesce((select sum(on_hand) from balance where site = :site and item = :item and not virtual
                and status = 'UNRESTRICTED'), 0) as on_hand,
      coalesce((select sum(on_hand) from balance where site = :site and item = :item and not virtual
                and status = 'INSPECTION'), 0) as inspection,
      coalesce((select sum(quantity) from supply_request where site = :site and item = :item
                and state in ('OPEN', 'CARRIED')), 0) as requested,
      coalesce((select sum((quantity - received) * base_numerator / base_denominator) from expected_receipt
                where site = :site and item = :item and state = 'OPEN'), 0) as ordered,
      coalesce((select sum(allocated + short) from reservation where site = :site and item = :item
                and state in ('PENDING', 'SHORT', 'ALLOCATED')), 0) as demand
""")


async def ask(unit: Unit, site: str, item: str) -> SupplyRequest | None:
    """Ask the item's policy; gives the open request, new, raised or as it was (MAT-167)."""
    policy: Policy | None = await unit.first(
        select(Policy)
        .where(Policy.item == item, Policy.site == site)  # type: ignore[arg-type]
        .with_for_update()
    )
    if policy is None or not policy.active_revision:
        return None
    revision = await unit.get(Revision, policy.active_revision, lock=False)
    found = (await unit.execute(_POSITION, {"site": site, "item": item})).one()
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
        return request
    words = [*position.words(), f"reorder point {revision.reorder_point}", f"{Kind(revision.kind)} asks for {need}"]
    if request is None:
        fact: SiteFact | None = await unit.first(select(SiteFact).where(SiteFact.name == f"sites/{site}"))  # type: ignore[arg-type]
        zone = ZoneInfo(fact.time_zone) if fact is not None else ZoneInfo("UTC")
        unit_code = (await unit.get(Item, item, lock=False)).base_unit_code
        name = unit.new_name(f"sites/{site}", SupplyRequest.COLLECTION)
        request = SupplyRequest(
            name=name, item=item, quantity=need, unit_code=unit_code, policy_revision=revision.name,
            need_date=unit.now.astimezone(zone).date() + timedelta(days=revision.lead_days), explanation=words,
            correlation=unit.correlation or name,
        )  # fmt: skip
        unit.add(request)
    else:
        request.quantity += need
        request.explanation = words
    unit.emit(request.told(), correlation=request.chain)
    await unit.flush()
    return request
