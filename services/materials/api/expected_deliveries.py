"""Deliveries that were announced, and the scan of one of their units."""

from decimal import Decimal
from typing import Any

from plantops.materials.v1 import receipts_pb2

from services.chassis.faults import FieldInvalid
from services.chassis.query import Page
from services.chassis.unit import Unit
from services.chassis.wire import date_message, decimal_of, quantity, values_for
from services.materials.api import receiving
from services.materials.api.receipt_lines import DATES, Counting
from services.materials.model import expected_delivery, sscc_range
from services.materials.model.expected_delivery import DeliveryState, ExpectedDelivery, ExpectedDeliveryLine
from services.materials.model.handling_unit import HandlingUnit, HandlingUnitType
from services.materials.model.item import Item
from services.materials.model.receipt import ExpectedReceipt, Receipt, ReceiptLine
from services.materials.rules import lot_numbers, sscc


class ExpectedDeliveryService:
    """Deliveries that were announced; they change no stock (MAT-95)."""

    async def get_expected_delivery(self, request: Any, unit: Unit) -> Any:
        return (await receiving.announced(unit, [await unit.get(ExpectedDelivery, request.name)]))[0]

    async def list_expected_deliveries(self, request: Any, unit: Unit) -> Any:
        page = await unit.list(ExpectedDelivery, request)
        return Page(await receiving.announced(unit, page.rows), page.next_page_token)

    async def create_expected_delivery(self, request: Any, unit: Unit) -> Any:
        given = request.expected_delivery
        name = unit.new_name(request.parent, ExpectedDelivery.COLLECTION)
        site = request.parent.split("/")[1]
        items = await unit.get_many(Item, {line.item for line in given.lines}, lock=False)
        named = {line.expected_receipt for line in given.lines if line.expected_receipt}
        orders = await unit.get_many(ExpectedReceipt, named, lock=False)
        row = ExpectedDelivery(name=name, **(values_for(ExpectedDelivery, given) | {"lines": []}))
        for number, line in enumerate(given.lines, 1):
            _check(line, f"expected_delivery.lines[{number - 1}]", site, given.supplier, items, orders)
            values = values_for(ExpectedDeliveryLine, line)
            row.lines.append(ExpectedDeliveryLine(**(values | {"expected_delivery": name, "line": number})))
        return unit.add(row)

    async def cancel_expected_delivery(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(ExpectedDelivery, request.name, etag=request.etag)
        row.move(DeliveryState.CANCELLED)
        return row


def _check(
    line: Any, where: str, site: str, supplier: str, items: dict[str, Item], orders: dict[str, ExpectedReceipt]
) -> None:
    """FieldInvalid, or a fault of the quantity, for a line that could not be received as it is."""
    item = items.get(line.item)
    if item is None:
        raise FieldInvalid(field=f"{where}.item", rule="must be an item", value=line.item)
    if not sscc.valid(line.sscc):
        raise FieldInvalid(field=f"{where}.sscc", rule="must be 18 digits with the right check digit", value=line.sscc)
    amount, _ = item.stated(line.quantity, f"{where}.quantity")
    if amount <= 0:
        raise FieldInvalid(field=f"{where}.quantity.value", rule="must be more than 0", value=line.quantity.value)
    if bool(line.lot_number) != item.tracking.by_lot:
        rule = "is given exactly where the item is tracked by lot"
        raise FieldInvalid(field=f"{where}.lot_number", rule=rule, value=line.lot_number)
    if item.tracking.by_serial or item.catch is not None:
        rule = "must have neither serials nor a catch weight: such goods are scanned one by one"
        raise FieldInvalid(field=f"{where}.item", rule=rule, value=line.item)
    if line.expected_receipt:
        order = orders.get(line.expected_receipt)
        if order is None or (order.site, order.supplier, order.item) != (site, supplier, line.item):
            rule = "must be an expected receipt of the item and the supplier"
            raise FieldInvalid(field=f"{where}.expected_receipt", rule=rule, value=line.expected_receipt)


async def receive(unit: Unit, receipt: Receipt, request: Any) -> list[ReceiptLine]:
    """Count in what a unit was announced with, or what it differs by; all or nothing."""
    code = sscc.from_scan(request.sscc)
    announced = [
        (delivery, line)
        for delivery in await expected_delivery.with_unit(unit, receipt.site or "", receipt.supplier, code)
        for line in delivery.lines
        if line.sscc == code and not line.receipt
    ]
    if not code or not announced:
        rule = "must be a unit that the supplier has announced and that has not been received"
        raise FieldInvalid(field="sscc", rule=rule, value=request.sscc)
    found = _differing(request.differences, [line for _, line in announced])
    around = await _made(unit, receipt, request.handling_unit_type, code) if request.handling_unit_type else ""
    scans = [_scan(line, found.get(number, line.quantity), around) for number, (_, line) in enumerate(announced)]
    counting = await Counting.of(unit, receipt, scans)
    lines = []
    for (delivery, line), scan in zip(announced, scans, strict=True):
        amount = decimal_of(scan.quantity.value)
        if amount > 0:
            lines += counting.add(scan)
        delivery.receive(line, receipt.name, amount)
    return lines


def _differing(differences: Any, lines: list[ExpectedDeliveryLine]) -> dict[int, Decimal]:
    """Index of a line -> what is there of it in place of what was announced."""
    found: dict[int, Decimal] = {}
    for index, given in enumerate(differences):
        where = f"differences[{index}]"
        lot = lot_numbers.normal(given.lot_number)
        known = [
            number
            for number, line in enumerate(lines)
            if line.item == given.item and lot_numbers.normal(line.lot_number) == lot and number not in found
        ]
        if not known:
            rule = "must be an item and lot that was announced with the unit, once"
            raise FieldInvalid(field=where, rule=rule, value=given.item)
        if given.quantity.unit_code != lines[known[0]].quantity_unit_code:
            rule = f"must be {lines[known[0]].quantity_unit_code}, the unit of what was announced"
            raise FieldInvalid(field=f"{where}.quantity.unit_code", rule=rule, value=given.quantity.unit_code)
        amount = decimal_of(given.quantity.value, f"{where}.quantity.value")
        if amount < 0:
            raise FieldInvalid(field=f"{where}.quantity.value", rule="must not be less than 0", value=amount)
        found[known[0]] = amount
    return found


def _scan(line: ExpectedDeliveryLine, amount: Decimal, around: str) -> receipts_pb2.AddReceiptLineRequest:
    """The scan that counts an announced line in."""
    scan = receipts_pb2.AddReceiptLineRequest(
        item=line.item, quantity=quantity(amount, line.quantity_unit_code), lot_number=line.lot_number,
        expected_receipt=line.expected_receipt, handling_unit=around,
    )  # fmt: skip
    for name in DATES:
        if (day := getattr(line, name)) is not None:
            getattr(scan, name).CopyFrom(date_message(day))
    return scan


async def _made(unit: Unit, receipt: Receipt, kind: str, code: str) -> str:
    """A unit that bears the announced SSCC and stands at the dock."""
    if await unit.find(HandlingUnitType, kind, lock=False) is None:
        raise FieldInvalid(field="handling_unit_type", rule="must be a type of handling units", value=kind)
    if await sscc_range.known(unit, [code]):
        raise FieldInvalid(field="sscc", rule="belongs to a handling unit already", value=code)
    parent = f"sites/{receipt.site}"
    row = unit.add(
        HandlingUnit(
            name=unit.new_name(parent, HandlingUnit.COLLECTION), number=(await sscc_range.numbers(unit, 1))[0],
            sscc=code, handling_unit_type=kind, location=receipt.location,
        )
    )  # fmt: skip
    await unit.flush()
    return row.name
