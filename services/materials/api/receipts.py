"""Receipts: counting goods in, posting them, taking them back."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from plantops.materials.v1 import receipts_pb2
from sqlalchemy import select

from services.chassis.faults import Fault, FieldInvalid
from services.chassis.query import Page
from services.chassis.unit import Unit
from services.chassis.wire import canonical, fill, quantity
from services.materials.api import direct_lines, expected_deliveries, receipt_orders, receiving, supplier_returns
from services.materials.api.receipt_lines import Counting, stated
from services.materials.model import (
    cross_docking,
    exceptions,
    expected_delivery,
    handling_unit,
    holding,
    ledger,
    placing,
    stock,
)
from services.materials.model import location as locations
from services.materials.model import task as directed
from services.materials.model.direct_line import DirectLine
from services.materials.model.handling_unit import Path
from services.materials.model.inspection import InspectionLot, LotState
from services.materials.model.item import Item, site_fact
from services.materials.model.ledger import Line, NotEnoughStock, Posting, by_serial, line_of
from services.materials.model.location import Kind, Location
from services.materials.model.lot import Lot
from services.materials.model.movement import Movement, MovementKind, Status, StockMovedOn
from services.materials.model.placing import Wanted
from services.materials.model.receipt import ExpectedReceipt, ExpectedState, OverReceiptAction, Receipt, ReceiptLine
from services.materials.model.settings import Receiving
from services.materials.model.supplier import suspended
from services.materials.model.task import Kind as TaskKind
from services.materials.model.task import Task, TaskState
from services.materials.rules import valuation


class ReceiptService:
    """Goods that come in."""

    async def get_expected_receipt(self, request: Any, unit: Unit) -> Any:
        return (await receiving.expected(unit, [await unit.get(ExpectedReceipt, request.name)]))[0]

    async def list_expected_receipts(self, request: Any, unit: Unit) -> Any:
        page = await unit.list(ExpectedReceipt, request)
        return Page(await receiving.expected(unit, page.rows), page.next_page_token)

    async def get_receipt(self, request: Any, unit: Unit) -> Any:
        return (await receiving.receipts(unit, [await unit.get(Receipt, request.name)]))[0]

    async def list_receipts(self, request: Any, unit: Unit) -> Any:
        page = await unit.list(Receipt, request)
        return Page(await receiving.receipts(unit, page.rows), page.next_page_token)

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
        counting = await Counting.of(unit, receipt, [entry.request for entry in batch.open])
        for entry in batch.open:
            try:
                entry.answer(receiving.line(counting.add(entry.request), blind=counting.blind))
            except Fault as fault:
                entry.refuse(fault)
        return batch.response(receipts_pb2.BatchAddReceiptLinesResponse)

    async def receive_announced_unit(self, request: Any, unit: Unit) -> Any:
        receipt = (await unit.get(Receipt, request.name)).counting()
        await receiving.refuse_blind(unit, receipt)
        lines = await expected_deliveries.receive(unit, receipt, request)
        answer = receipts_pb2.ReceiveAnnouncedUnitResponse()
        for line in lines:
            fill(answer.lines.add(), line)
        return answer

    async def receive_direct_line(self, request: Any, unit: Unit) -> Any:
        receipt = (await unit.get(Receipt, request.name)).counting()
        answer = receipts_pb2.ReceiveDirectLineResponse()
        way = await receiving.of(unit, receipt.site or "")
        made = await direct_lines.receive(unit, receipt, request, way)
        for row in receiving.beside(made, blind=way is Receiving.BLIND):
            fill(answer.direct_lines.add(), row)
        return answer

    async def preview_receipt_line(self, request: Any, unit: Unit) -> Any:
        receipt = (await unit.get(Receipt, request.name, lock=False)).counting()
        await receiving.refuse_blind(unit, receipt)
        items = await unit.get_many(Item, [request.item], lock=False)
        item, amount, _ = stated(items, request)
        expected = await receipt_orders.expected_of(unit, receipt, items, lock=False)
        answer = receipts_pb2.PreviewReceiptLineResponse()
        for part in receipt_orders.parts(expected, receipt.supplier, item, amount, request):
            shown = answer.parts.add(
                quantity=quantity(part.quantity, item.base_unit_code), status=part.status(item).value, over=part.over
            )
            if part.order is not None:
                shown.expected_receipt, shown.purchase_order = part.order.name, part.order.purchase_order
                shown.order_line, shown.schedule_line = part.order.order_line, part.order.schedule_line
        return answer

    async def cancel_receipt(self, request: Any, unit: Unit) -> Any:
        receipt = await take_up(unit, request.name, request.etag)
        receipt.cancel()
        await _await_again(unit, receipt)
        direct_lines.reversed_with(receipt)
        return receipt

    async def post_receipt(self, request: Any, unit: Unit) -> Any:
        receipt = await take_up(unit, request.name, request.etag)
        counted: list[ReceiptLine | DirectLine] = [*receipt.lines, *receipt.direct_lines]
        expected = await unit.get_many(ExpectedReceipt, [row.expected_receipt for row in counted], lock=False)
        final = {row.line for row in counted if _state(expected, row) is not ExpectedState.OPEN}
        watched = await suspended(unit, receipt.supplier)
        if watched:
            receipt.inspect()
        event = receipt.post(unit.now, final)
        site = receipt.site or ""
        chains = sorted({row.chain for row in expected.values()})
        chain = chains[0] if len(chains) == 1 else receipt.name
        receipt.correlation = chain
        unit.correlate(chain)
        source = await locations.virtual(unit, site, Kind.SUPPLIER)
        items = await unit.get_many(Item, {row.item for row in receipt.lines}, lock=False)
        for lot in (await unit.get_many(Lot, {row.lot for row in receipt.lines if row.lot})).values():
            lot.first_receipt_time = lot.first_receipt_time or unit.now
        currency = (await site_fact(unit, site)).currency_code
        postings, tasks = [], []
        for row in receipt.lines:
            order = expected.get(row.expected_receipt)
            priced = order is not None and not row.owner  # consigned goods have no value (MAT-184)
            postings.append(
                Posting.new(
                    unit, site, MovementKind.RECEIPT,
                    *by_serial(
                        Line(
                            item=row.item, lot=row.lot, quantity=row.quantity, unit_code=row.unit_code,
                            from_location=source.name, to_location=row.location, from_virtual=True,
                            from_status=row.status, to_status=row.status, to_handling_unit=row.handling_unit,
                            second_quantity=row.second_quantity,
                            second_unit_code=row.second_quantity_unit_code, entered=row.entered,
                            cost=order.price_of(row.order_quantity, currency) if order and priced else None,
                            from_owner=row.owner, to_owner=row.owner, returns=row.returns,
                            standard_cost=items[row.item].standard(currency),
                        ),
                        row.serials, valuation.places(currency),
                    ),
                    source=receipt.name, correlation=order.chain if order is not None else chain,
                )
            )  # fmt: skip
            row.movement = postings[-1].name
            tasks.append(_follow_up(unit, receipt, row, order))
            if row.status is Status.BLOCKED:
                exceptions.raise_for(unit, tasks[-1], _to_decide(row, order)).predecessor = ""
            elif watched:
                why = f"line {row.line} of {receipt.name} came from {receipt.supplier}, which is suspended"
                exceptions.raise_for(unit, tasks[-1], why).predecessor = ""
        await _propose(unit, site, items, tasks)
        await direct_lines.posted(unit, receipt)
        unit.emit(event, correlation=chain, also=chains)
        await holding.catch(unit, receipt)
        await stock.move(unit, site, postings)
        await holding.note(unit, receipt)
        await cross_docking.divert(unit, site, tasks)
        return receipt

    async def return_to_supplier(self, request: Any, unit: Unit) -> Any:
        return await supplier_returns.returned(unit, await take_up(unit, request.name), request)

    async def reverse_receipt(self, request: Any, unit: Unit) -> Any:
        receipt = await take_up(unit, request.name)
        event = receipt.reverse()
        site = receipt.site or ""
        await _await_again(unit, receipt)
        direct_lines.reversed_with(receipt)
        for lot in await _of_receipt(unit, InspectionLot, receipt):
            if lot.state is not LotState.CREATED:
                raise StockMovedOn(resource=receipt.name, why=f"{lot.name} was decided on", in_the_way=lot.name)
            lot.move(LotState.CANCELLED)
        for task in await _of_receipt(unit, Task, receipt):
            if task.state is TaskState.COMPLETED and task.kind is TaskKind.PUT_AWAY:
                raise StockMovedOn(resource=receipt.name, why=f"{task.name} was done", in_the_way=task.name)
            task.end(TaskState.CANCELLED)
        posted = await unit.get_many(Movement, [row.movement for row in receipt.lines], lock=False)
        entries = [entry for original in posted.values() for entry in original.entries]
        places = await unit.get_many(Location, {entry.location for entry in entries}, lock=False)
        postings = []
        for row in receipt.lines:
            if row.returned:
                why = f"{canonical(row.returned)} {row.unit_code} of line {row.line} went back to the supplier"
                raise StockMovedOn(resource=receipt.name, why=why, in_the_way=row.item)
            original = posted[row.movement]
            postings.append(
                Posting.new(
                    unit, site, MovementKind.REVERSAL,
                    *(line_of(pair, places).negated() for pair in reversed(original.lines)),
                    source=receipt.name, reverses=row.movement, correlation=original.correlation,
                    reason_code=request.reason,
                )
            )  # fmt: skip
        unit.emit(event, correlation=receipt.chain)
        try:
            await stock.move(unit, site, postings)
        except NotEnoughStock as gone:
            raise StockMovedOn(resource=receipt.name, why=gone.message, **gone.metadata) from None
        return receipt


async def take_up(unit: Unit, name: str, etag: str = "") -> Receipt:
    """A receipt, locked behind the stock of its items."""
    items = await unit.all(select(ReceiptLine.item).where(ReceiptLine.receipt == name))  # type: ignore[call-overload]
    if items:
        await ledger.hold(unit, name.split("/")[1], items)
    return await unit.get(Receipt, name, etag=etag)


async def _await_again(unit: Unit, receipt: Receipt) -> None:
    """What was counted to order lines is awaited there again, and so are announced units."""
    await expected_delivery.release(unit, receipt.name)
    counted: list[ReceiptLine | DirectLine] = [*receipt.lines, *receipt.direct_lines]
    expected = await unit.get_many(ExpectedReceipt, [row.expected_receipt for row in counted])
    for row in counted:
        if row.expected_receipt in expected and not row.over:
            expected[row.expected_receipt].uncount(row.quantity)


def _to_decide(row: ReceiptLine, order: ExpectedReceipt | None) -> str:
    """What a person has to decide about goods that are blocked."""
    what = f"line {row.line} of {row.receipt}: {canonical(row.quantity)} {row.unit_code} of {row.item}"
    if order is None:
        return f"{what} came without an order"
    if order.over_receipt_action is OverReceiptAction.AMEND:
        return f"{what} are more than {order.purchase_order} accepts; have the order amended"
    return f"{what} are more than {order.purchase_order} accepts"


async def _of_receipt(unit: Unit, model: Any, receipt: Receipt) -> Sequence[Any]:
    return await unit.all(select(model).where(model.receipt == receipt.name).order_by(model.name).with_for_update())


def _state(expected: dict[str, ExpectedReceipt], row: ReceiptLine | DirectLine) -> ExpectedState:
    order = expected.get(row.expected_receipt)
    return order.state if order is not None else ExpectedState.OPEN


async def _propose(unit: Unit, site: str, items: dict[str, Item], tasks: Sequence[Task]) -> None:
    """Where goods should go that no order names a place for; no place is said, never a limit passed (MAT-100).

    Tasks are written with what was found: those with a place before, since they count there.
    """
    open_ones = [task for task in tasks if not task.proposed_location]
    for task in tasks:
        if task.proposed_location:
            unit.add(task)
    if not open_ones:
        return
    around = await handling_unit.paths(unit, (task.handling_unit for task in open_ones))
    if len(open_ones) < len(tasks):
        await unit.flush()
    wanted = [_wanted(items, around, task) for task in open_ones]
    bound_for = [task.from_location for task in open_ones]
    found = await placing.find(unit, site, wanted, bound_for=bound_for, decide=True)
    for task, places in zip(open_ones, found, strict=True):
        task.no_place_reason, task.decision = places.why_none, places.decision
        task.proposed_location = places.candidates[0][0] if places.candidates else ""
        unit.add(task)
        if places.why_none:
            exceptions.raise_for(unit, task, f"no place was found: {places.why_none}")


def _wanted(items: dict[str, Item], around: dict[str, Path], task: Task) -> Wanted:
    return Wanted.of(
        items[task.item], task.quantity, lot=task.lot, status=task.status.value, from_location=task.from_location,
        around=around.get(task.handling_unit),
    )  # fmt: skip


def _follow_up(unit: Unit, receipt: Receipt, row: ReceiptLine, order: ExpectedReceipt | None) -> Task:
    """An inspection lot where goods wait for a decision, and a put-away task, not yet written (MAT-98)."""
    site = f"sites/{receipt.site}"
    chain = order.chain if order is not None else receipt.chain
    if row.status is Status.INSPECTION:
        lot = unit.add(
            InspectionLot(
                name=unit.new_name(site, InspectionLot.COLLECTION),
                item=row.item,
                lot=row.lot,
                location=row.location,
                handling_unit=row.handling_unit,
                owner=row.owner,
                receipt=receipt.name,
                receipt_line=row.line,
                purchase_order=row.purchase_order,
                order_line=row.order_line,
                supplier=receipt.supplier,
                quantity=row.quantity,
                unit_code=row.unit_code,
                second_quantity=row.second_quantity,
                second_quantity_unit_code=row.second_quantity_unit_code,
                second_decided=None if row.second_quantity is None else Decimal(0),
                second_decided_unit_code=row.second_quantity_unit_code,
                serials=row.serials,
                correlation=chain,
            )
        )
        row.inspection_lot = lot.name
    task = directed.new(
        unit,
        receipt.site or "",
        TaskKind.PUT_AWAY,
        item=row.item,
        lot=row.lot,
        from_location=row.location,
        handling_unit=row.handling_unit,
        owner=row.owner,
        proposed_location=order.location if order is not None else "",
        quantity=row.quantity,
        unit_code=row.unit_code,
        second_quantity=row.second_quantity,
        second_quantity_unit_code=row.second_quantity_unit_code,
        status=row.status,
        receipt=receipt.name,
        receipt_line=row.line,
        serials=row.serials,
        correlation=chain,
    )
    row.put_away_task = task.name
    return task
