"""Suppliers and their items with prices."""

from datetime import timedelta
from typing import Any

from plantops.procurement.v1 import suppliers_pb2

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, date_message, decimal_of, money, quantity, values_for
from services.procurement.model import facts
from services.procurement.model.supplier import NoPrice, State, Supplier, SupplierItem
from services.procurement.rules import price


class SupplierService:
    """Suppliers and their items with prices."""

    async def get_supplier(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Supplier, request.name)

    async def list_suppliers(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Supplier, request)

    async def create_supplier(self, request: Any, unit: Unit) -> Any:
        name = unit.new_name("", Supplier.COLLECTION, request.supplier_id)
        supplier = Supplier(name=name, author=unit.caller.name, **values_for(Supplier, request.supplier))
        unit.emit(supplier.edited(unit.caller))
        return unit.add(supplier)

    async def update_supplier(self, request: Any, unit: Unit) -> Any:
        supplier = await unit.get(Supplier, request.supplier.name, etag=request.supplier.etag)
        unit.update(supplier, request.supplier, request.update_mask)
        unit.emit(supplier.edited(unit.caller))
        return supplier

    async def activate_supplier(self, request: Any, unit: Unit) -> Any:
        supplier = await unit.get(Supplier, request.name, etag=request.etag)
        unit.emit(supplier.activate(unit.caller))
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
        await facts.known_site(unit, row.site or "", "supplier_item.site")
        return unit.add(row.checked(supplier, await facts.item(unit, row.item)))

    async def update_supplier_item(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(SupplierItem, request.supplier_item.name, etag=request.supplier_item.etag)
        unit.update(row, request.supplier_item, request.update_mask)
        supplier = await unit.get(Supplier, row.supplier, lock=False)
        return row.checked(supplier, await facts.item(unit, row.item))

    async def quote_price(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(SupplierItem, request.name)
        need = decimal_of(request.quantity.value, "quantity.value")
        if need <= 0:
            raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=need)
        day = await facts.today(unit, row.site or "")
        try:
            found = price.quote(row.terms, need, day)
        except price.NoPrice as error:
            raise NoPrice(supplier_item=row.name, why=str(error)) from None
        terms, unit_price = row.terms, found.price.unit_price
        answer = suppliers_pb2.QuotePriceResponse(
            order_quantity=quantity(found.quantity, row.unit_code),
            unit_price=money(unit_price, row.currency_code),
            total=money(found.total, row.currency_code),
            expected_date=date_message(day + timedelta(days=row.lead_days)),
            explanation=[
                f"need {canonical(need)}, minimum {canonical(terms.minimum)},"
                f" multiple {canonical(terms.multiple)}: {canonical(found.quantity)}",
                f"break {canonical(found.price.break_quantity)} at {canonical(unit_price)}"
                f" per {canonical(terms.price_base)}",
                f"{row.lead_days} days from {day}",
            ],
        )
        answer.price_base_quantity.value = canonical(terms.price_base)
        return answer
