"""Consigned goods become the company's, at the contract price of their order line (MAT-184)."""

from decimal import Decimal
from typing import Any

from plantops.materials.v1 import shipments_pb2

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import amount_of
from services.materials.api import goods
from services.materials.api.postings import owner_of
from services.materials.model import handling_unit, stock
from services.materials.model.goods import GoodsLine
from services.materials.model.item import site_fact
from services.materials.model.ledger import Line, Posting, by_serial
from services.materials.model.movement import MovementKind
from services.materials.rules import valuation


async def changed(unit: Unit, request: Any) -> str:
    """Name of the movement. A change of owner is a receipt at a given value: it adds to what the company owns."""
    site = request.parent.split("/")[1]
    row = GoodsLine(**await _stated(unit, site, request))
    owner = owner_of(request.supplier, "supplier")
    currency = (await site_fact(unit, site)).currency_code
    digits = valuation.places(currency)
    await goods.refuse_inspected(unit, site, [row])
    line = Line(
        item=row.item, lot=row.lot, quantity=row.quantity, unit_code=row.unit_code, from_location=row.location,
        to_location=row.location, from_status=row.status, to_status=row.status,
        from_handling_unit=request.handling_unit, to_handling_unit=request.handling_unit, from_owner=owner,
        second_quantity=row.second_quantity, second_unit_code=row.second_quantity_unit_code, entered=row.entered,
        cost=_value(request, currency, digits),
    )  # fmt: skip
    posting = Posting.new(
        unit, site, MovementKind.OWNER_CHANGE, *by_serial(line, row.serials, digits),
        about={
            "supplier": owner, "purchase_order": request.purchase_order, "order_line": request.order_line,
        },
    )  # fmt: skip
    await stock.move(unit, site, [posting])
    return posting.name


async def _stated(unit: Unit, site: str, request: Any) -> dict[str, Any]:
    """What is asked, checked like a line of a document."""
    given = shipments_pb2.Shipment.Line(
        item=request.item, lot=request.lot, quantity=request.quantity, confirm_weight=request.confirm_weight,
        serials=request.serials, location=request.location, status=request.status,
    )  # fmt: skip
    if request.HasField("second_quantity"):
        given.second_quantity.CopyFrom(request.second_quantity)
    known = await goods.Known.of(unit, site, [given])
    if request.handling_unit and (
        not request.handling_unit.startswith(f"sites/{site}/")
        or not await handling_unit.paths(unit, [request.handling_unit])
    ):
        rule = "must be a handling unit of the site"
        raise FieldInvalid(field="handling_unit", rule=rule, value=request.handling_unit)
    try:
        return known.values(given, "request")
    except FieldInvalid as fault:
        field = fault.metadata["field"].removeprefix("request.")
        raise FieldInvalid(field=field, rule=fault.metadata["rule"], value=fault.metadata["value"]) from None


def _value(request: Any, currency: str, digits: int) -> Decimal:
    value = amount_of(request.value)
    if request.value.currency_code != currency or value < 0 or value != valuation.rounded(value, digits):
        rule = f"must be in {currency}, with at most {digits} decimals and not negative"
        raise FieldInvalid(field="value", rule=rule, value=f"{value} {request.value.currency_code}")
    return value
