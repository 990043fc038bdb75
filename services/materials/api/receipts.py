"""Receipts, inspections and put-away."""

from decimal import Decimal
from typing import Any

from plantops.materials.v1 import receipts_pb2
from sqlalchemy import select

from services.chassis.faults import Fault, FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of, fill, python_of
from services.materials.model import location as locations
from services.materials.model import stock
from services.materials.model.item import Item, Lot, Tracking
from services.materials.model.ledger import Movement, MovementKind, Posting, Status
from services.materials.model.location import Kind, Location
from services.materials.model.receipt import (
    ExpectedReceipt,
    ExpectedState,
    InspectionLot,
    LotState,
    NothingExpected,
    OverReceipt,
    PutAwayTask,
    Receipt,
    ReceiptLine,
    StockMovedOn,
    TaskState,
)
from services.materials.rules import units


class ReceiptService:
    """Goods that come in."""

    async def get_expected_receipt(self, request: Any, unit: Unit) -> Any:
        return await unit.get(ExpectedReceipt, request.name)

    async def list_expected_receipts(self, request: Any, unit: Unit) -> Any:
        return await unit.list(ExpectedReceipt, request)

    async def get_receipt(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Receipt, request.name)

    async def list_receipts(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Receipt, request)

    async def start_receipt(self, request: Any, unit: Unit) -> Any:
        place = await unit.find(Location, request.location, lock=False)
        if place is None or f"sites/{place.site}" != request.parent or place.kind not in (Kind.DOCK, Kind.QUALITY):
            raise FieldInvalid(field="location", rule="must be a dock of the site", value=request.location)
        return unit.add(
            Receipt(
                name=unit.new_name(request.parent, Receipt.COLLECTION),
                number=await unit.next_number("RC"),
                supplier=request.supplier,
                delivery_note=request.delivery_note,
                location=place.usable().name,
                arrive_time=unit.now,
                lines=[],
            )
        )

    async def batch_add_receipt_lines(self, request: Any, unit: Unit) -> Any:
        batch = await unit.batch(request.requests)
        receipt = (await unit.get(Receipt, request.parent)).counting()
        for entry in batch.open:
            try:
                async with unit.attempt():
                    line = await _add_line(unit, receipt, entry.request)
                entry.answer(fill(receipts_pb2.Receipt.Line(), line))
            except Fault as fault:
                entry.refuse(fault)
        return batch.response(receipts_pb2.BatchAddReceiptLinesResponse)

    async def post_receipt(self, request: Any, unit: Unit) -> Any:
        receipt = await unit.get(Receipt, request.name, etag=request.etag)
        event = receipt.post(unit.now)
        site = receipt.site or ""
        expected = await unit.get_many(ExpectedReceipt, [row.expected_receipt for row in receipt.lines])
        chains = sorted({row.chain for row in expected.values()})
        chain = chains[0] if len(chains) == 1 else receipt.name
        receipt.correlation = chain
        unit.correlate(chain)
        source = await locations.virtual(unit, site, Kind.SUPPLIER)
        postings = []
        for row in receipt.lines:
            order = expected.get(row.expected_receipt)
            cost = None
            if order is not None and order.unit_price is not None:
                cost = order.unit_price * row.order_quantity
            postings.append(
                Posting(
                    name=unit.new_name(f"sites/{site}", Movement.COLLECTION),
                    kind=MovementKind.RECEIPT,
                    item=row.item,
                    lot=row.lot,
                    quantity=row.quantity,
                    unit_code=row.unit_code,
                    from_location=source.name,
                    to_location=row.location,
                    from_virtual=True,
                    to_status=row.status,
                    source=receipt.name,
                    correlation=order.chain if order is not None else chain,
                    cost=cost,
                )
            )
            row.movement = postings[-1].name
            _follow_up(unit, receipt, row, order)
        unit.emit(event, correlation=chain, also=chains)
        await stock.move(unit, site, postings)
        return receipt

    async def reverse_receipt(self, request: Any, unit: Unit) -> Any:
        receipt = await unit.get(Receipt, request.name)
        event = receipt.reverse()
        site = receipt.site or ""
        for lot in await unit.all(
            select(InspectionLot).where(InspectionLot.receipt == receipt.name).with_for_update()  # type: ignore[arg-type]
        ):
            if lot.state is not LotState.CREATED:
                raise StockMovedOn(receipt=receipt.name, why=f"{lot.name} was decided on")
            lot.move(LotState.CANCELLED)
        for task in await unit.all(
            select(PutAwayTask).where(PutAwayTask.receipt == receipt.name).with_for_update()  # type: ignore[arg-type]
        ):
            if task.state is TaskState.COMPLETED:
                raise StockMovedOn(receipt=receipt.name, why=f"{task.name} was done")
            task.move(TaskState.CANCELLED)
        expected = await unit.get_many(ExpectedReceipt, [row.expected_receipt for row in receipt.lines])
        target = await locations.virtual(unit, site, Kind.SUPPLIER)
        postings = []
        for row in receipt.lines:
            order = expected.get(row.expected_receipt)
            if order is not None:
                order.uncount(row.order_quantity)
            postings.append(
                Posting(
                    name=unit.new_name(f"sites/{site}", Movement.COLLECTION),
                    kind=MovementKind.REVERSAL,
                    item=row.item,
                    lot=row.lot,
                    quantity=row.quantity,
                    unit_code=row.unit_code,
                    from_location=row.location,
                    to_location=target.name,
                    to_virtual=True,
                    from_status=row.status,
                    source=receipt.name,
                    reverses=row.movement,
                    correlation=receipt.chain,
                    reason_code=request.reason,
                )
            )
        unit.emit(event, correlation=receipt.chain)
        await stock.move(unit, site, postings)
        return receipt


def _follow_up(unit: Unit, receipt: Receipt, row: ReceiptLine, order: ExpectedReceipt | None) -> None:
    """An inspection lot where goods wait for a decision, and a put-away task (MAT-98)."""
    site = f"sites/{receipt.site}"
    chain = order.chain if order is not None else receipt.chain
    if row.status is Status.INSPECTION:
        lot = unit.add(
            InspectionLot(
                name=unit.new_name(site, InspectionLot.COLLECTION),
                item=row.item,
                lot=row.lot,
                location=row.location,
                receipt=receipt.name,
                receipt_line=row.line,
                purchase_order=row.purchase_order,
                order_line=row.order_line,
                supplier=receipt.supplier,
                quantity=row.quantity,
                unit_code=row.unit_code,
                correlation=chain,
            )
        )
        row.inspection_lot = lot.name
    task = unit.add(
        PutAwayTask(
            name=unit.new_name(site, PutAwayTask.COLLECTION),
            item=row.item,
            lot=row.lot,
            from_location=row.location,
            proposed_location=order.location if order is not None else "",
            quantity=row.quantity,
            unit_code=row.unit_code,
            status=row.status,
            receipt=receipt.name,
            receipt_line=row.line,
            correlation=chain,
        )
    )
    row.put_away_task = task.name


async def _add_line(unit: Unit, receipt: Receipt, request: Any) -> ReceiptLine:
    item = await unit.find(Item, request.item, lock=False)
    if item is None:
        raise FieldInvalid(field="item", rule="must be an item", value=request.item)
    amount = item.base(decimal_of(request.quantity.value), request.quantity.unit_code, "quantity.value")
    if amount <= 0:
        raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
    order = await _expected(unit, receipt, item, amount, request.expected_receipt)
    exact = units.from_base(amount, order.factor)
    counted = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal("0.000001"))
    order.count(counted)
    row = ReceiptLine(
        receipt=receipt.name, line=max((line.line for line in receipt.lines), default=0) + 1,
        expected_receipt=order.name, purchase_order=order.purchase_order, order_line=order.order_line,
        schedule_line=order.schedule_line, item=item.name, lot=await _lot(unit, receipt, item, request),
        quantity=amount, unit_code=item.base_unit_code, order_quantity=counted,
        order_quantity_unit_code=order.unit_code, location=receipt.location,
        status=Status.INSPECTION if item.inspect_receipts or order.inspect else Status.UNRESTRICTED,
    )  # fmt: skip
    receipt.lines.append(row)
    receipt.touch()
    return row


async def _expected(unit: Unit, receipt: Receipt, item: Item, amount: Decimal, name: str) -> ExpectedReceipt:
    """The order line that a scan belongs to: the named one, else the earliest of the supplier with room (MAT-96)."""
    if name:
        found = await unit.find(ExpectedReceipt, name)
        if found is None or found.item != item.name or found.supplier != receipt.supplier or found.site != receipt.site:
            rule = "must be an expected receipt of the item and the supplier"
            raise FieldInvalid(field="expected_receipt", rule=rule, value=name)
        return found
    rows = await unit.all(
        select(ExpectedReceipt)
        .where(
            ExpectedReceipt.site == receipt.site,  # type: ignore[arg-type]
            ExpectedReceipt.item == item.name,  # type: ignore[arg-type]
            ExpectedReceipt.supplier == receipt.supplier,  # type: ignore[arg-type]
            ExpectedReceipt.state == ExpectedState.OPEN,  # type: ignore[arg-type]
        )
        .order_by(ExpectedReceipt.expected_date, ExpectedReceipt.name)  # type: ignore[arg-type]
        .with_for_update()
    )
    for row in rows:
        if row.room(amount / Decimal(row.base_numerator) * row.base_denominator):
            return row  # type: ignore[no-any-return]
    if rows:
        raise OverReceipt(
            expected_receipt=rows[0].name, limit=canonical(rows[0].accept_limit), unit_code=rows[0].unit_code,
            received=canonical(rows[0].received), asked=canonical(amount),
        )  # fmt: skip
    raise NothingExpected(
        supplier=receipt.supplier, item=item.name, quantity=canonical(amount), unit_code=item.base_unit_code
    )


async def _lot(unit: Unit, receipt: Receipt, item: Item, request: Any) -> str:
    if item.tracking is Tracking.NONE:
        return ""
    if not request.lot_number:
        raise FieldInvalid(field="lot_number", rule="is required: the item is tracked by lot")
    found: Lot | None = await unit.first(
        select(Lot).where(Lot.item == item.name, Lot.number == request.lot_number)  # type: ignore[arg-type]
    )
    expires = python_of(request.expire_date) if request.HasField("expire_date") else None
    if found is None:
        found = unit.add(
            Lot(
                name=unit.new_name(item.name, Lot.COLLECTION),
                item=item.name,
                number=request.lot_number,
                supplier=receipt.supplier,
                expire_date=expires,
                first_receipt_time=unit.now,
            )
        )
        await unit.flush()
    elif expires is not None and found.expire_date != expires:
        raise FieldInvalid(field="expire_date", rule=f"the lot expires on {found.expire_date}", value=expires)
    return found.name
