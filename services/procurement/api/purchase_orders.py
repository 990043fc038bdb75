"""Purchase orders: from approved requisitions to what the supplier delivers."""

from typing import Any

from services.chassis.faults import FieldInvalid, ResourceNotFound
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, python_of
from services.procurement.model import approval, buying, facts, needs
from services.procurement.model.purchase_order import OrderRevision, PurchaseOrder
from services.procurement.model.requisition import Requisition
from services.procurement.model.supplier import Supplier


class PurchaseOrderService:
    """Orders to suppliers."""

    async def get_purchase_order(self, request: Any, unit: Unit) -> Any:
        return await unit.get(PurchaseOrder, request.name)

    async def list_purchase_orders(self, request: Any, unit: Unit) -> Any:
        return await unit.list(PurchaseOrder, request)

    async def convert_requisitions(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        await facts.known_site(unit, site, "parent")
        found = await unit.get_many(Requisition, request.requisitions)
        for name in request.requisitions:
            if name not in found or found[name].site != site:
                raise ResourceNotFound(resource=name)
        return await buying.convert(unit, site, [found[name] for name in request.requisitions], request.supplier)

    async def submit_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name, etag=request.etag)
        supplier = (await unit.get(Supplier, order.supplier)).orderable()
        await approval.submit(unit, order, supplier)
        return order

    async def approve_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name)
        supplier = await unit.get(Supplier, order.supplier)
        await approval.approve_order(unit, order, supplier, request.content_hash)
        return order

    async def reject_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name)
        order.withdraw(f"sent back by {unit.caller.name}: {request.reason}")
        return order

    async def revise_purchase_order(self, request: Any, unit: Unit) -> Any:
        """Before issue the approval is withdrawn; after it less or another day is in force at once (PRC-127)."""
        order = await unit.get(PurchaseOrder, request.name, etag=request.etag)
        wanted = decimal_of(request.quantity.value, "quantity.value") if request.HasField("quantity") else None
        day = python_of(request.expected_date) if request.HasField("expected_date") else None
        if wanted is None and day is None:
            raise FieldInvalid(field="quantity", rule="give a quantity or an expected_date")
        await buying.revise(unit, order, request.line, wanted, day, request.reason)
        return order

    async def issue_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name, etag=request.etag)
        (await unit.get(Supplier, order.supplier, lock=False)).orderable()
        channel = request.channel or f"by hand: {unit.caller.name}"
        buying.tell(unit, order, order.issue(channel, unit.now))
        return order

    async def short_close_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name)
        await buying.short_close(unit, order, request.line)
        return order

    async def close_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name, etag=request.etag)
        buying.tell(unit, order, order.close(f"closed by {unit.caller.name}"))
        return order

    async def cancel_purchase_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(PurchaseOrder, request.name)
        event = order.cancel(request.reason)
        await needs.give_back(unit, order)
        if event is not None:
            buying.tell(unit, order, event)
        return order

    async def get_purchase_order_revision(self, request: Any, unit: Unit) -> Any:
        return await unit.get(OrderRevision, request.name)

    async def list_purchase_order_revisions(self, request: Any, unit: Unit) -> Any:
        return await unit.list(OrderRevision, request, parent_column=OrderRevision.purchase_order)
