"""Suppliers and their items with prices."""

from typing import Any

from plantops.procurement.v1 import suppliers_pb2

from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of, money, quantity, values_for
from services.procurement.model import buying
from services.procurement.model.supplier import ONE, State, Supplier, SupplierItem
from services.procurement.rules import price


class NoPrice(FailedPrecondition):
    """No price is valid for the quantity (PRC-37)."""

    text = "{supplier_item}: {why}."


class SupplierService:
    """Suppliers and their items with prices."""

    async def get_supplier(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Supplier, request.name)

    async def list_suppliers(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Supplier, request)

    async def create_supplier(self, request: Any, unit: Unit) -> Any:
        name = unit.new_name("", Supplier.COLLECTION, request.supplier_id)
        supplier = unit.add(Supplier(name=name, author=unit.caller.name, **values_for(Supplier, request.supplier)))
        unit.emit(supplier.told())
        return supplier

    async def update_supplier(self, request: Any, unit: Unit) -> Any:
        supplier = await unit.get(Supplier, request.supplier.name, etag=request.supplier.etag)
        unit.update(supplier, request.supplier, request.update_mask)
        supplier.author = unit.caller.name
        unit.emit(supplier.told())
        return supplier

    async def activate_supplier(self, request: Any, unit: Unit) -> Any:
        supplier = await unit.get(Supplier, request.name, etag=request.etag)
        unit.emit(supplier.activate(unit.caller.name))
        return supplier

    async def suspend_supplier(self, request: Any, unit: Unit) -> Any:
        supplier = await unit.get(Supplier, request.name)
        unit.emit(supplier.move(State.SUSPENDED).told())
        return supplier

    async def get_supplier_item(self, request: Any, unit: Unit) -> Any:
        return await unit.get(SupplierItem, request.name)

    async def list_supplier_items(self, request: Any, unit: Unit) -> Any:
        return await unit.list(SupplierItem, request, parent_column=SupplierItem.supplier)

    async def create_supplier_item(self, request: Any, unit: Unit) -> Any:
        supplier = await unit.get(Supplier, request.parent, lock=False)
        name = unit.new_name(supplier.name, SupplierItem.COLLECTION, request.supplier_item_id)
        row = SupplierItem(name=name, supplier=supplier.name, **values_for(SupplierItem, request.supplier_item))
        return unit.add(row.checked())

    async def update_supplier_item(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(SupplierItem, request.supplier_item.name, etag=request.supplier_item.etag)
        return unit.update(row, request.supplier_item, request.update_mask).checked()

    async def quote_price(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(SupplierItem, request.name)
        need = decimal_of(request.quantity.value, "quantity.value")
        if need <= 0:
            raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=need)
        base = row.price_base_quantity or ONE
        amount = price.order_quantity(need, row.minimum_quantity or need * 0, row.multiple or ONE)
        try:
            found = price.price_of(row.price_rows, amount, await buying.today(unit, row.site or ""))
        except price.NoPrice as error:
            raise NoPrice(supplier_item=row.name, why=str(error)) from None
        total = price.net(amount, found.unit_price, base)
        answer = suppliers_pb2.QuotePriceResponse(
            order_quantity=quantity(amount, row.unit_code),
            unit_price=money(found.unit_price, row.currency_code),
            total=money(total, row.currency_code),
            explanation=[
                f"need {canonical(need)}, minimum {canonical(row.minimum_quantity or need * 0)},"
                f" multiple {canonical(row.multiple or ONE)}: {canonical(amount)}",
                f"break {canonical(found.break_quantity)} at {canonical(found.unit_price)} per {canonical(base)}",
            ],
        )
        answer.price_base_quantity.value = canonical(base)
        return answer
