"""Approval by the policy in force: levels from rolling totals, the ceiling, and duties (PRC-65, PRC-70 .. PRC-73)."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import select

from services.chassis.faults import PermissionDenied
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.procurement.model import duties
from services.procurement.model import policy as policies
from services.procurement.model.policy import Kind, Revision
from services.procurement.model.purchase_order import OrderRevision, PurchaseOrder
from services.procurement.model.purchase_order import State as OrderState
from services.procurement.model.requisition import Requisition, SourceKind
from services.procurement.model.requisition import State as NeedState
from services.procurement.model.supplier import Supplier
from services.procurement.rules import approve as rule
from services.procurement.rules.approve import Decided, Route

ZERO = Decimal(0)
WINDOW = timedelta(days=30)
"""Window of the rolling totals (PRC-70)."""


class LimitExceeded(PermissionDenied):
    """The value, or what it adds up to, is above what anybody here may approve (SEC-29)."""

    text = "{amount} {currency} add up to {total} within {days} days; the ceiling is {ceiling} {ceiling_currency}."


async def submit(unit: Unit, order: PurchaseOrder, supplier: Supplier) -> None:
    """Offer an order for approval; a tier that is automatic approves it, by the policy's name (PRC-70).

    `supplier` is locked: totals of orders that are decided at the same time would not see each other.
    """
    order.explanation = []
    order.submit()
    revision = await policies.in_force(unit, Kind.APPROVE, order.site or "")
    history = await _orders(unit, order)
    way = _order_route(order, revision, history)
    above = revision is not None and _above_ceiling(revision, order.net, order.currency_code, history)
    if way.automatic and not above and revision is not None:
        reason = f"approve policy {revision.name}: {way.explanation}"
        unit.add(order.approve([revision.name], unit.now, level=way.level, automatic=True, reason=reason))
    else:
        order.wait(way.explanation if revision is None else f"approve policy {revision.name}: {way.explanation}")


async def approve_order(unit: Unit, order: PurchaseOrder, supplier: Supplier, content_hash: str) -> OrderRevision:
    """A person says yes: neither an author, nor above the ceiling, nor the first of a supplier they let in."""
    by = duties.persons(unit.caller)
    order.may_approve(by, content_hash)
    await _first_order(unit, order, supplier, by)
    revision = await policies.in_force(unit, Kind.APPROVE, order.site or "")
    history = await _orders(unit, order)
    if revision is not None:
        _check_ceiling(revision, order.net, order.currency_code, history)
    way = _order_route(order, revision, history)
    reason = f"{unit.caller.name} approved: {way.explanation}"
    return unit.add(order.approve(by, unit.now, level=way.level, automatic=False, reason=reason))


async def decide(unit: Unit, need: Requisition) -> None:
    """An automatic requisition is approved by an explicit rule only, within its rolling limit (PRC-65, PRC-70)."""
    revision = await policies.in_force(unit, Kind.APPROVE, need.site or "")
    if revision is None or need.source_kind is SourceKind.PERSON or not need.supplier or need.estimate is None:
        need.explanation = [*need.explanation, "a person approves it"]
        return
    await unit.find(Supplier, need.supplier, lock=True)
    history = await _needs(unit, need)
    way = _route(revision, revision.requisition_tiers, need.estimate, need.estimate_currency_code, history)
    if not way.automatic or _above_ceiling(revision, need.estimate, need.estimate_currency_code, history):
        need.explanation = [*need.explanation, f"approve policy {revision.name}: {way.explanation}"]
        return
    reason = f"approve policy {revision.name}: {way.explanation}"
    event = need.approve([revision.name], unit.now, level=way.level, automatic=True, reason=reason)
    unit.emit(event, correlation=need.chain)


async def approve_need(unit: Unit, need: Requisition) -> None:
    """A person says yes to a requisition, within the ceiling (PRC-70, PRC-72)."""
    by = duties.persons(unit.caller)
    need.may_approve(by)
    revision = await policies.in_force(unit, Kind.APPROVE, need.site or "")
    way = Route(1, False, "no approve policy is in force")
    if revision is not None and need.estimate is not None:
        await unit.find(Supplier, need.supplier, lock=True)
        history = await _needs(unit, need)
        _check_ceiling(revision, need.estimate, need.estimate_currency_code, history)
        way = _route(revision, revision.requisition_tiers, need.estimate, need.estimate_currency_code, history)
    reason = f"{unit.caller.name} approved: {way.explanation}"
    event = need.approve(by, unit.now, level=way.level, automatic=False, reason=reason)
    unit.emit(event, correlation=need.chain)


def _order_route(order: PurchaseOrder, revision: Revision | None, history: list[Decided]) -> Route:
    if revision is None:
        return Route(1, False, "no approve policy is in force: a person decides")
    return _route(revision, revision.order_tiers, order.net, order.currency_code, history)


def _route(
    revision: Revision, rows: list[dict[str, object]], amount: Decimal, currency: str, history: list[Decided]
) -> Route:
    if revision.currencies and currency not in revision.currencies:
        words = f"{currency} is not compared with limits in {', '.join(revision.currencies)}: a person decides"
        return Route(len(rows) + 1, False, words)
    return rule.route(policies.tiers(rows), amount, history)


def _above_ceiling(revision: Revision, amount: Decimal, currency: str, history: list[Decided]) -> bool:
    if revision.ceiling is None:
        return False
    return currency != revision.ceiling_currency_code or rule.under_ceiling(amount, history) > revision.ceiling


def _check_ceiling(revision: Revision, amount: Decimal, currency: str, history: list[Decided]) -> None:
    """LimitExceeded above the ceiling, and in a currency that it cannot be compared with (PRC-5)."""
    if revision.ceiling is not None and _above_ceiling(revision, amount, currency, history):
        raise LimitExceeded(
            amount=canonical(amount), currency=currency, total=canonical(rule.under_ceiling(amount, history)),
            days=WINDOW.days, ceiling=canonical(revision.ceiling), ceiling_currency=revision.ceiling_currency_code,
        )  # fmt: skip


async def _first_order(unit: Unit, order: PurchaseOrder, supplier: Supplier, by: list[str]) -> None:
    """Who made or approved a supplier does not approve its first order (PRC-27)."""
    before = await unit.first(
        select(PurchaseOrder.name)  # type: ignore[call-overload]
        .where(
            PurchaseOrder.supplier == supplier.name,
            PurchaseOrder.name != order.name,
            PurchaseOrder.decide_time.is_not(None),  # type: ignore[union-attr]
        )
        .limit(1)
    )
    if before is None:
        earlier = [*supplier.authors, supplier.approver]
        duties.keep_apart("making or approving a supplier and approving its first order", earlier, by)


async def _orders(unit: Unit, order: PurchaseOrder) -> list[Decided]:
    """Orders of the supplier decided within the window, oldest first."""
    rows = await unit.execute(
        select(PurchaseOrder.net, PurchaseOrder.level, PurchaseOrder.automatic, PurchaseOrder.requester)  # type: ignore[call-overload]
        .where(
            PurchaseOrder.supplier == order.supplier,
            PurchaseOrder.currency_code == order.currency_code,
            PurchaseOrder.decide_time > unit.now - WINDOW,  # type: ignore[operator]
            PurchaseOrder.state != OrderState.CANCELLED,
            PurchaseOrder.name != order.name,
        )
        .order_by(PurchaseOrder.decide_time, PurchaseOrder.name)
    )
    return [Decided(row.net, row.level, row.automatic, row.requester == order.requester) for row in rows]


async def _needs(unit: Unit, need: Requisition) -> list[Decided]:
    """Requisitions for the supplier decided within the window, oldest first."""
    rows = await unit.execute(
        select(Requisition.estimate, Requisition.level, Requisition.automatic, Requisition.requester)  # type: ignore[call-overload]
        .where(
            Requisition.supplier == need.supplier,
            Requisition.estimate_currency_code == need.estimate_currency_code,
            Requisition.estimate.is_not(None),  # type: ignore[union-attr]
            Requisition.approve_time > unit.now - WINDOW,  # type: ignore[operator]
            Requisition.state.in_((NeedState.APPROVED, NeedState.CLOSED)),  # type: ignore[attr-defined]
            Requisition.name != need.name,
        )
        .order_by(Requisition.approve_time, Requisition.name)
    )
    return [Decided(row.estimate, row.level, row.automatic, row.requester == need.requester) for row in rows]
