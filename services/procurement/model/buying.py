"""From a need to an order: sourcing, approval by rule or person, conversion (PRC-32, PRC-64, PRC-65)."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.procurement.model import policy as policies
from services.procurement.model import purchase_order as orders
from services.procurement.model.policy import Choice, Kind
from services.procurement.model.purchase_order import Line, PurchaseOrder
from services.procurement.model.requisition import NoSource, Requisition, SourceKind, State
from services.procurement.model.supplier import ONE, SiteFact, Supplier, SupplierItem
from services.procurement.model.supplier import State as SupplierState
from services.procurement.rules import approve as approval
from services.procurement.rules import price, source

ZERO = Decimal(0)
_DAYS = timedelta(days=30)
"""Window of the rolling totals (PRC-70)."""


async def today(unit: Unit, site: str) -> date:
    """The site's calendar day."""
    fact: SiteFact | None = await unit.first(select(SiteFact).where(SiteFact.name == f"sites/{site}"))  # type: ignore[arg-type]
    zone = ZoneInfo(fact.time_zone) if fact is not None else ZoneInfo("UTC")
    return unit.now.astimezone(zone).date()


async def propose(unit: Unit, need: Requisition) -> None:
    """Find who supplies, by the source policy in force; what was passed over is kept in words."""
    site = need.site or ""
    revision = await policies.in_force(unit, Kind.SOURCE, site)
    how = revision.choice if revision is not None else Choice.RANK
    rows: Sequence[tuple[SupplierItem, Supplier]] = (
        await unit.execute(
            select(SupplierItem, Supplier)
            .join(Supplier, Supplier.name == SupplierItem.supplier)  # type: ignore[arg-type]
            .where(
                SupplierItem.item == need.item,  # type: ignore[arg-type]
                or_(SupplierItem.site == site, SupplierItem.site.is_(None)),  # type: ignore[arg-type, union-attr]
            )
            .order_by(SupplierItem.name)
        )
    ).all()  # type: ignore[assignment]
    candidates = [row.candidate(supplier.state is SupplierState.ACTIVE) for row, supplier in rows]
    choice = source.choose(candidates, need.quantity, await today(unit, site), how.value)
    by = f"source policy {revision.name}" if revision is not None else "no source policy: by rank"
    need.explanation = [by, *choice.explanation]
    if choice.offer is None:
        return
    row = next(item for item, _ in rows if item.name == choice.offer.candidate.name)
    need.supplier, need.supplier_item = row.supplier, row.name
    need.estimate, need.estimate_currency_code = choice.offer.total, row.currency_code
    need.expected_date = choice.offer.arrival


async def decide(unit: Unit, need: Requisition) -> None:
    """An automatic requisition is approved by an explicit rule only, within its rolling limit (PRC-65, PRC-70)."""
    revision = await policies.in_force(unit, Kind.APPROVE, need.site or "")
    if revision is None or need.source_kind is SourceKind.PERSON or not need.supplier or need.estimate is None:
        need.explanation = [*need.explanation, "a person approves it"]
        return
    rolling: Decimal = await unit.first(
        select(func.coalesce(func.sum(Requisition.estimate), 0)).where(
            Requisition.supplier == need.supplier,  # type: ignore[arg-type]
            Requisition.approver == revision.name,  # type: ignore[arg-type]
            Requisition.create_time >= unit.now - _DAYS,  # type: ignore[arg-type]
            Requisition.name != need.name,  # type: ignore[arg-type]
        )
    )
    way = approval.route(policies.tiers(revision.requisition_tiers), need.estimate, rolling + need.estimate)
    need.explanation = [*need.explanation, f"approve policy {revision.name}: {way.explanation}"]
    if way.automatic:
        unit.emit(need.approve(revision.name, revision.ceiling), correlation=need.chain)


async def convert(unit: Unit, site: str, needs: Sequence[Requisition], supplier_name: str) -> PurchaseOrder:
    """One order of one supplier; MOQ and breaks apply to the sum per item, cover stays per need (PRC-64)."""
    wanted = supplier_name or needs[0].supplier
    for need in needs:
        if need.state is not State.APPROVED:
            need.move(State.CLOSED)
        if not supplier_name and need.supplier != wanted:
            raise FieldInvalid(
                field="requisitions", rule=f"must all be of {wanted}; name the supplier", value=need.name
            )
    if not wanted:
        need = needs[0]
        raise NoSource(item=need.item, quantity=canonical(need.quantity), unit_code=need.unit_code)
    supplier = (await unit.get(Supplier, wanted)).orderable()
    name = unit.new_name(f"sites/{site}", PurchaseOrder.COLLECTION)
    chains = sorted({need.chain for need in needs})
    order = PurchaseOrder(
        name=name,
        number=await unit.next_number("PO"),
        supplier=supplier.name,
        currency_code=supplier.currency_code,
        author=unit.caller.name,
        lines=[],
        chains=chains,
        correlation=chains[0] if len(chains) == 1 else name,
    )
    day = await today(unit, site)
    for item in sorted({need.item for need in needs}):
        await _line(unit, order, site, [need for need in needs if need.item == item], day)
    order.add_up()
    unit.add(order)
    for need in needs:
        need.order(order.name)
    return order


async def _line(unit: Unit, order: PurchaseOrder, site: str, needs: Sequence[Requisition], day: date) -> None:
    item = needs[0].item
    total = sum((need.quantity for need in needs), ZERO)
    row: SupplierItem | None = await unit.first(
        select(SupplierItem)
        .where(
            SupplierItem.supplier == order.supplier,  # type: ignore[arg-type]
            SupplierItem.item == item,  # type: ignore[arg-type]
            or_(SupplierItem.site == site, SupplierItem.site.is_(None)),  # type: ignore[arg-type, union-attr]
        )
        .order_by(SupplierItem.site.is_(None))  # type: ignore[union-attr]
        .limit(1)
    )
    if row is None:
        raise NoSource(item=item, quantity=canonical(total), unit_code=needs[0].unit_code)
    if row.currency_code and row.currency_code != order.currency_code:
        raise FieldInvalid(field="supplier", rule=f"sells {item} in {row.currency_code}, not in {order.currency_code}")
    try:
        offer = source.offer_of(row.candidate(True), total, day)
    except price.NoPrice:
        raise NoSource(item=item, quantity=canonical(total), unit_code=needs[0].unit_code) from None
    order.lines.append(
        Line(
            purchase_order=order.name,
            line=10 * (len(order.lines) + 1),
            item=item,
            supplier_item=row.name,
            part_number=row.part_number,
            quantity=offer.quantity,
            unit_code=row.unit_code,
            base_numerator=row.base_numerator,
            base_denominator=row.base_denominator,
            unit_price=offer.price.unit_price,
            currency_code=order.currency_code,
            price_base_quantity=row.price_base_quantity or ONE,
            net=offer.total,
            delivery_location=next((need.delivery_location for need in needs if need.delivery_location), ""),
            requested_date=min((need.need_date for need in needs if need.need_date), default=None),
            expected_date=offer.arrival,
            accept_limit=price.accept_limit(offer.quantity, row.over_percent or ZERO),
            references=[_reference(need, row.factor, row.unit_code) for need in needs],
        )
    )


def _reference(need: Requisition, factor: Fraction, unit_code: str) -> dict[str, Any]:
    exact = Fraction(need.quantity) / factor
    covered = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal("0.000001"))
    return {
        "requisition": need.name,
        "work_order": need.work_order,
        "demand": need.demand,
        "demand_version": need.demand_version,
        "reservation": need.reservation,
        "supply_request": need.supply_request,
        "quantity": {"value": canonical(covered), "unit_code": unit_code},
    }


async def submit(unit: Unit, order: PurchaseOrder) -> None:
    """Offer an order for approval; a tier that is automatic approves it, by the policy's name (PRC-70)."""
    order.submit()
    revision = await policies.in_force(unit, Kind.APPROVE, order.site or "")
    if revision is None:
        order.explanation = ["no approve policy is in force: a person decides"]
        order.move(orders.State.PENDING_APPROVAL)
        return
    rolling: Decimal = await unit.first(
        select(func.coalesce(func.sum(PurchaseOrder.net), 0)).where(
            PurchaseOrder.supplier == order.supplier,  # type: ignore[arg-type]
            PurchaseOrder.approver == revision.name,  # type: ignore[arg-type]
            PurchaseOrder.approve_time >= unit.now - _DAYS,  # type: ignore[arg-type, operator]
            PurchaseOrder.name != order.name,  # type: ignore[arg-type]
        )
    )
    way = approval.route(policies.tiers(revision.order_tiers), order.net, rolling + order.net)
    order.explanation = [f"approve policy {revision.name}: {way.explanation}"]
    if way.automatic:
        unit.add(order.approve(revision.name, order.content_hash, unit.now))
    else:
        order.move(orders.State.PENDING_APPROVAL)
