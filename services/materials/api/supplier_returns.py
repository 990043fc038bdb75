"""Goods of a receipt line that go back to the supplier, at the receipt's own cost (MAT-48)."""

from decimal import Decimal
from typing import Any

from services.chassis.faults import FieldInvalid, TransitionNotAllowed
from services.chassis.unit import Unit
from services.chassis.wire import enum_name
from services.materials.api import goods
from services.materials.model import goods as going
from services.materials.model import location as locations
from services.materials.model import second_quantity, stock
from services.materials.model.item import Item, site_fact
from services.materials.model.ledger import ZERO, Line, Posting, by_serial
from services.materials.model.location import Kind
from services.materials.model.lot import named
from services.materials.model.movement import Movement, MovementKind, Status
from services.materials.model.receipt import Receipt, ReceiptLine, ReceiptState
from services.materials.rules import under_way, valuation


async def returned(unit: Unit, receipt: Receipt, request: Any) -> Receipt:
    """Back to where they came from; procurement hears which line, which order, and whether others are to come."""
    if receipt.state is not ReceiptState.POSTED:
        raise TransitionNotAllowed(
            resource=receipt.name, state=receipt.state.value, allowed="counting", wanted="a return to the supplier"
        )
    site = receipt.site or ""
    row = next((one for one in receipt.lines if one.line == request.line), None)
    if row is None:
        raise FieldInvalid(field="line", rule="must be a line of the receipt", value=request.line)
    item = await unit.get(Item, row.item, lock=False)
    amount, entered = item.stated(request.quantity, "quantity")
    if amount <= 0:
        raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
    serials = named(item, request.serials, amount, "serials")
    second, second_unit = second_quantity.stated(item, request, amount)
    place = (await locations.named(unit, {request.location})).get(request.location)
    if place is None or place.site != site or place.virtual:
        raise FieldInvalid(field="location", rule="must be a place of the site", value=request.location)
    status = Status(enum_name(request, "status")) if request.status else Status.SUPPLIER_RETURN
    digits = valuation.places((await site_fact(unit, site)).currency_code)
    target = await locations.virtual(unit, site, Kind.SUPPLIER)
    line = Line(
        item=row.item, lot=row.lot, quantity=amount, unit_code=row.unit_code, from_location=place.name,
        to_location=target.name, from_status=status, to_status=status, to_virtual=True, entered=entered,
        from_owner=row.owner, to_owner=row.owner, second_quantity=second, second_unit_code=second_unit,
        cost=await _cost(unit, row, amount, digits), returns=row.movement,
    )  # fmt: skip
    row.give_back(amount, second, serials)
    receipt.touch()
    lines = by_serial(line, serials, digits)
    stands = going.GoodsLine(item=row.item, lot=row.lot, location=place.name, status=status)
    await goods.refuse_inspected(unit, site, [stands])
    await going.refuse_claimed(unit, site, receipt.name, lines)
    posting = Posting.new(
        unit, site, MovementKind.RETURN_TO_SUPPLIER, *lines, source=receipt.name, correlation=receipt.chain,
        reason_code=request.reason_code,
        about={
            "authorised_return": request.authorised_return, "receipt": receipt.name, "receipt_line": row.line,
            "purchase_order": row.purchase_order, "order_line": row.order_line, "supplier": receipt.supplier,
            "replacement_expected": request.replacement_expected,
        },
    )  # fmt: skip
    await stock.move(unit, site, [posting])
    return receipt


async def _cost(unit: Unit, row: ReceiptLine, amount: Decimal, digits: int) -> Decimal | None:
    """What the part of the receipt was worth; None for goods that are not the company's."""
    if row.owner:
        return None
    posted = await unit.get(Movement, row.movement, lock=False)
    value = sum((pair.into.value or ZERO for pair in posted.lines), ZERO)
    return under_way.worth(value, row.quantity, row.returned, min(amount, row.quantity - row.returned), digits)
