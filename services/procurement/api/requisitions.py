"""Requisitions and purchase orders."""

from typing import Any

from sqlalchemy import select

from services.chassis.faults import FieldInvalid, ResourceNotFound, UnitIncompatible
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of, python_of
from services.procurement.model import buying
from services.procurement.model import policy as policies
from services.procurement.model import purchase_order as orders
from services.procurement.model.policy import Kind
from services.procurement.model.purchase_order import OrderRevision, PurchaseOrder
from services.procurement.model.requisition import LimitExceeded, Requisition, SourceKind
from services.procurement.model.supplier import ItemFact, Supplier


class RequisitionService:
    """Needs to buy."""

    async def get_requisition(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Requisition, request.name)

    async def list_requisitions(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Requisition, request)

    async def create_requisition(self, request: Any, unit: Unit) -> Any:
        message = request.requisition
        fact = await unit.first(select(ItemFact).where(ItemFact.name == message.item))  # type: ignore[arg-type]
        if fact is None:
            raise FieldInvalid(field="requisition.item", rule="must be an item", value=message.item)
        factor = fact.factor(message.quantity.unit_code)
        if factor is None:
            raise UnitIncompatible(item=fact.name, from_unit=message.quantity.unit_code, to_unit=fact.base_unit_code)
        stated = decimal_of(message.quantity.value)
        if stated <= 0:
            raise FieldInvalid(field="requisition.quantity.value", rule="must be more than 0", value=stated)
        name = unit.new_name(request.parent, Requisition.COLLECTION)
        need = Requisition(
            name=name,
            site=request.parent.split("/")[1],
            number=await unit.next_number("RQ"),
            item=fact.name,
            quantity=stated * factor.numerator / factor.denominator,
            unit_code=fact.base_unit_code,
            need_date=python_of(message.need_date) if message.HasField("need_date") else None,
            delivery_location=message.delivery_location,
            reason=message.reason,
            source_kind=SourceKind.PERSON,
            requester=unit.caller.name,
        )
        await buying.propose(unit, need)
        unit.add(need)
        unit.emit(need.created())
        return need

    async def approve_requisition(self, request: Any, unit: Unit) -> Any:
        need = await unit.get(Requisition, request.name, etag=request.etag)
        revision = await policies.in_force(unit, Kind.APPROVE, need.site or "")
        unit.emit(need.approve(unit.caller.name, revision.ceiling if revision else None), correlation=need.chain)
        return need

    async def reject_requisition(self, request: Any, unit: Unit) -> Any:
        need = await unit.get(Requisition, request.name)
        unit.emit(need.reject(request.reason), correlation=need.chain)
        return need


class PurchaseOrderService:
    """Orders to suppliers."""

    async def get_purchase_order(self, request: Any, unit: Unit) -> Any:
        return await unit.get(PurchaseOrder, request.name)

    async def list_purchase_orders(self, request: Any, unit: Unit) -> Any:
        return await unit.list(PurchaseOrder, request)

    async def convert_requisitions(self, request: Any, unit: Unit) -> Any:
        needs = await unit.get_many(Requisition, request.requisitions)
        site = request.parent.split("/")[1]
        for name in request.requisitions:
            if name not in needs or needs[name].site != site:
                raise ResourceNotFound(resource=name)
        return await buying.convert(unit, site, [needs[name] for name in request.requisitions], request.supplier)

    async def submit_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name, etag=request.etag)
        (await unit.get(Supplier, order.supplier, lock=False)).orderable()
        await buying.submit(unit, order)
        return order

    async def approve_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name)
        revision = await policies.in_force(unit, Kind.APPROVE, order.site or "")
        if revision is not None and revision.ceiling is not None and order.net > revision.ceiling:
            raise LimitExceeded(amount=canonical(order.net), ceiling=canonical(revision.ceiling))
        unit.add(order.approve(unit.caller.name, request.content_hash, unit.now))
        return order

    async def reject_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name)
        order.move(orders.State.DRAFT)
        order.explanation = [*order.explanation, f"sent back by {unit.caller.name}: {request.reason}"]
        return order

    async def revise_purchase_order(self, request: Any, unit: Unit) -> Any:
        """Before issue the approval is withdrawn; after it less or later is in force at once (PRC-75, PRC-127)."""
        order = await unit.get(PurchaseOrder, request.name, etag=request.etag)
        line = order.find_line(request.line)
        wanted = decimal_of(request.quantity.value, "quantity.value") if request.HasField("quantity") else None
        day = python_of(request.expected_date) if request.HasField("expected_date") else None
        if order.state is orders.State.ISSUED and wanted is not None and wanted > line.quantity:
            raise FieldInvalid(field="quantity.value", rule="may only fall after issue; order more anew", value=wanted)
        if order.state not in (orders.State.DRAFT, orders.State.APPROVED, orders.State.ISSUED):
            order.move(orders.State.DRAFT)
        if order.state is orders.State.APPROVED:
            order.move(orders.State.DRAFT)
            order.approver, order.approve_time = "", None
        order.revise(request.line, wanted, day, unit.caller.name)
        if order.state is orders.State.ISSUED:
            order.content_hash = order.digest()
            unit.add(order.kept(unit.now))
            unit.emit(order.changed(), correlation=order.chain, also=order.chains)
        return order

    async def issue_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name, etag=request.etag)
        (await unit.get(Supplier, order.supplier, lock=False)).orderable()
        channel = request.channel or f"by hand: {unit.caller.name}"
        unit.emit(order.issue(channel, unit.now), correlation=order.chain, also=order.chains)
        return order

    async def short_close_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name)
        if order.state is not orders.State.ISSUED:
            order.move(orders.State.ISSUED)
        order.short_close(request.line)
        unit.emit(order.changed(), correlation=order.chain, also=order.chains)
        return order

    async def close_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name, etag=request.etag)
        unit.emit(order.close("closed by a person"), correlation=order.chain, also=order.chains)
        return order

    async def cancel_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name)
        issued = order.state is orders.State.ISSUED
        event = order.cancel(request.reason)
        needs = await unit.get_many(
            Requisition, [row["requisition"] for line in order.lines for row in line.references]
        )
        for need in needs.values():
            need.purchase_order = ""
            need.move(type(need.state).APPROVED)
        if issued:
            unit.emit(event, correlation=order.chain, also=order.chains)
        else:
            order.event_version -= 1
        return order

    async def get_purchase_order_revision(self, request: Any, unit: Unit) -> Any:
        return await unit.get(OrderRevision, request.name)

    async def list_purchase_order_revisions(self, request: Any, unit: Unit) -> Any:
        return await unit.list(OrderRevision, request, parent_column=OrderRevision.purchase_order)
