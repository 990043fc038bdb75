"""What receipts and inspections did to order lines: every order of events ends alike (PRC-150 .. PRC-161)."""

from collections.abc import Iterable
from typing import Any

from plantops.materials.v1.events_pb2 import InspectionDecided
from sqlalchemy import select

from services.chassis.unit import Unit
from services.chassis.wire import decimal_of
from services.procurement.model import buying
from services.procurement.model.order_line import AT_ONCE, ZERO, ReceiptSeen
from services.procurement.model.purchase_order import PurchaseOrder, State


async def count(unit: Unit, receipt: str, lines: Iterable[Any]) -> None:
    """A receipt was posted: a fact, whatever the order's state is."""
    for order, rows in await _by_order(unit, lines):
        for row in rows:
            seen = await _seen(unit, receipt, row.receipt_line, order.name, row.order_line)
            seen.quantity = decimal_of(row.order_quantity.value)
            seen.base_quantity = decimal_of(row.quantity.value)
            if row.status == AT_ONCE:
                seen.accepted = seen.base_quantity
        await _recount(unit, order)
        await buying.close_if_done(unit, order)


async def unwind(unit: Unit, receipt: str, lines: Iterable[Any]) -> None:
    """A receipt was taken back: exactly its effects go, and an order that is open again says so (PRC-161)."""
    for order, rows in await _by_order(unit, lines):
        for row in rows:
            seen = await _seen(unit, receipt, row.receipt_line, order.name, row.order_line)
            seen.quantity = ZERO
        await _recount(unit, order)
        if order.state is State.CLOSED and not order.done:
            order.move(State.ISSUED)
            buying.tell(unit, order, order.changed())


async def decided(unit: Unit, event: InspectionDecided) -> None:
    """A usage decision: what is not accepted is rejected; rejection alone reopens nothing (PRC-158, PRC-160)."""
    order = await unit.find(PurchaseOrder, event.purchase_order) if event.purchase_order else None
    if order is None:
        return
    seen = await _seen(unit, event.receipt, event.receipt_line, order.name, event.order_line)
    for split in event.splits:
        quantity = decimal_of(split.quantity.value)
        if split.outcome == AT_ONCE:
            seen.accepted += quantity
        else:
            seen.rejected += quantity
    await _recount(unit, order)
    await buying.close_if_done(unit, order)


async def _by_order(unit: Unit, lines: Iterable[Any]) -> list[tuple[PurchaseOrder, list[Any]]]:
    rows = [row for row in lines if row.purchase_order]
    known = await unit.get_many(PurchaseOrder, [row.purchase_order for row in rows])
    return [(order, [row for row in rows if row.purchase_order == name]) for name, order in known.items()]


async def _seen(unit: Unit, receipt: str, receipt_line: int, purchase_order: str, line: int) -> ReceiptSeen:
    found = await unit.session.get(ReceiptSeen, (receipt, receipt_line))
    if found is None:
        found = ReceiptSeen(receipt=receipt, receipt_line=receipt_line, purchase_order=purchase_order, line=line)
        unit.session.add(found)
    return found


async def _recount(unit: Unit, order: PurchaseOrder) -> None:
    """Counters of the lines anew from all that was seen of them."""
    await unit.flush()
    rows: list[ReceiptSeen] = list(
        await unit.all(select(ReceiptSeen).where(ReceiptSeen.purchase_order == order.name))  # type: ignore[arg-type]
    )
    for line in order.lines:
        counts = [row.counts for row in rows if row.line == line.line]
        line.received, line.accepted, line.rejected = (
            sum((part[index] for part in counts), ZERO) for index in range(3)
        )
    order.touch()
