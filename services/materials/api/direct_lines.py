"""Lines that are no stock: counted in by order line, staged, handed over, sent back (MAT-102)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from services.chassis.faults import FieldInvalid, QuantityNotOnGrid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of
from services.materials.api import receiving
from services.materials.api.task_scans import Seen
from services.materials.model import direct_line
from services.materials.model import location as locations
from services.materials.model.direct_line import DirectLine, DirectState
from services.materials.model.movement import StockMovedOn
from services.materials.model.receipt import ExpectedReceipt, ExpectedState, OverReceipt, OverReceiptAction, Receipt
from services.materials.model.settings import Receiving
from services.materials.model.task import Task, TaskState
from services.materials.rules import receiving as rule
from services.materials.rules import unit_codes, units

ONE, ZERO = Decimal(1), Decimal(0)


class DirectLineService:
    """What came for a work order beside the stock."""

    async def get_direct_line(self, request: Any, unit: Unit) -> Any:
        return await unit.get(DirectLine, request.name)

    async def list_direct_lines(self, request: Any, unit: Unit) -> Any:
        return await unit.list(DirectLine, request)

    async def hand_over_direct_line(self, request: Any, unit: Unit) -> Any:
        row, task = await direct_line.take_up(unit, request.name, etag=request.etag)
        row.hand_over(request.person or unit.caller.name, unit.now)
        if task is not None:
            task.end(TaskState.CANCELLED)
        return row

    async def return_direct_line(self, request: Any, unit: Unit) -> Any:
        receipt = await unit.get(Receipt, (await unit.get(DirectLine, request.name, lock=False)).receipt)
        row, task = await direct_line.take_up(unit, request.name, etag=request.etag)
        amount = _stated(request, row.unit_code)
        row.give_back(amount)
        if task is not None:
            if row.state is DirectState.RETURNED:
                task.end(TaskState.CANCELLED)
            else:
                task.quantity -= amount
        if row.expected_receipt and not row.over:
            (await unit.get(ExpectedReceipt, row.expected_receipt)).uncount(amount)
        back = DirectLine(
            **_of_order(row), name=unit.new_name(f"sites/{row.site}", DirectLine.COLLECTION), receipt=receipt.name,
            line=receipt.next_line, expected_receipt=row.expected_receipt, schedule_line=row.schedule_line,
            delivery_location="", quantity=-amount, unit_code=row.unit_code, location=row.location, over=row.over,
            state=DirectState.RETURNED, returned_line=row.line, reason_code=request.reason_code,
            label_code=row.label_code, correlation=row.correlation,
        )  # fmt: skip
        unit.emit(receipt.give_back(unit.add(back)), correlation=row.chain)
        return row


async def receive(unit: Unit, receipt: Receipt, request: Any, way: Receiving) -> list[DirectLine]:
    """Count in what came of an order line, over its schedule lines; beyond their limits as the order says."""
    expected = await _expected(unit, receipt, request)
    unit_code = expected[0].unit_code
    amount = _stated(request, unit_code)
    waiting = [row for row in expected if row.state is ExpectedState.OPEN]
    step = ONE if unit_codes.discrete(unit_code) else units.SHOWN
    rooms = [row.left(step) for row in waiting]
    spread, excess = rule.spread(rooms, amount)
    if way is Receiving.GUIDED:
        receiving.guide(sum((room.awaited for room in rooms), ZERO), amount, unit_code, excess=request.excess)
    parts = [(row, part, False) for row, part in zip(waiting, spread, strict=True) if part > 0]
    if excess > 0:
        try:
            parts.append((_takes(expected, waiting, excess), excess, True))
        except OverReceipt as fault:
            raise receiving.unseen(fault, amount, unit_code) if way is Receiving.BLIND else fault from None
    made = []
    for order, part, over in parts:
        if not over:
            order.count(part)
        line = receipt.next_line
        row = unit.add(
            DirectLine(
                **_of_order(order), name=unit.new_name(f"sites/{receipt.site}", DirectLine.COLLECTION),
                receipt=receipt.name, line=line, expected_receipt=order.name, schedule_line=order.schedule_line,
                delivery_location=order.location, quantity=part, unit_code=order.unit_code, over=over,
                location=receipt.location, label_code=f"{receipt.number}-{line}", documents=list(request.documents),
                correlation=order.chain,
            )
        )  # fmt: skip
        receipt.direct_lines.append(row)
        made.append(row)
    receipt.touch()
    return made


async def posted(unit: Unit, receipt: Receipt) -> None:
    """They are at the dock: each is brought to where it is needed by one task, or a person has to look."""
    wanted = {row.delivery_location for row in receipt.direct_lines if row.delivery_location}
    places = await locations.named(unit, wanted) if wanted else {}
    for row in receipt.direct_lines:
        here = row.delivery_location == row.location and not row.over
        row.move(DirectState.STAGED if here else DirectState.RECEIVED)
        place = places.get(row.delivery_location)
        if row.over:
            direct_line.raise_for(unit, row, f"more than {row.purchase_order} accepts")
        elif here:
            continue
        elif place is not None and place.site == row.site and not place.virtual:
            direct_line.stage(unit, row)
        elif row.delivery_location:
            direct_line.raise_for(unit, row, f"{row.delivery_location} is no place of the site")


def reversed_with(receipt: Receipt) -> None:
    """They come to nothing with their receipt; refused once one was brought on, handed over or sent back."""
    for row in receipt.direct_lines:
        if row.state not in (DirectState.COUNTED, DirectState.RECEIVED) or row.returned:
            why = f"line {row.line} is {row.state}" + (f", {canonical(row.returned)} went back" if row.returned else "")
            raise StockMovedOn(resource=receipt.name, why=why, in_the_way=row.name)
        row.move(DirectState.CANCELLED)


async def staged(unit: Unit, task: Task, seen: Seen) -> None:
    """The task brought it to where it is needed."""
    task.move(TaskState.COMPLETED)
    task.to_location, task.done_quantity = seen.to.name, seen.quantity
    (await direct_line.of_task(unit, task)).staged(seen.to.name)


async def _expected(unit: Unit, receipt: Receipt, request: Any) -> Sequence[ExpectedReceipt]:
    rows: Sequence[ExpectedReceipt] = await unit.all(
        select(ExpectedReceipt)
        .where(
            ExpectedReceipt.purchase_order == request.purchase_order,  # type: ignore[arg-type]
            ExpectedReceipt.order_line == request.order_line,  # type: ignore[arg-type]
            ExpectedReceipt.site == receipt.site,  # type: ignore[arg-type]
            ExpectedReceipt.supplier == receipt.supplier,  # type: ignore[arg-type]
            ExpectedReceipt.text != "",  # type: ignore[arg-type]
        )
        .order_by(ExpectedReceipt.name)
        .with_for_update()
    )
    if not rows:
        rule = "must be a DIRECT line of an order of the supplier"
        raise FieldInvalid(field="order_line", rule=rule, value=request.order_line)
    return sorted(rows, key=lambda row: (row.expected_date is None, row.expected_date or date.max, row.name))


def _takes(expected: Sequence[ExpectedReceipt], waiting: Sequence[ExpectedReceipt], excess: Decimal) -> ExpectedReceipt:
    """The last schedule line that takes goods beyond its limit in; OverReceipt without one."""
    known = waiting or [row for row in expected if row.state is ExpectedState.COMPLETE]
    for row in reversed(known):
        if row.over_receipt_action is not OverReceiptAction.REJECT:
            return row
    raise (known or expected)[-1].refused(excess)


def _stated(request: Any, unit_code: str) -> Decimal:
    """A quantity in the order unit; nothing is converted without an item."""
    given = request.quantity
    if given.unit_code != unit_code:
        rule = f"must be {unit_code}, the unit of the order"
        raise FieldInvalid(field="quantity.unit_code", rule=rule, value=given.unit_code)
    amount = decimal_of(given.value, "quantity.value")
    if amount <= 0:
        raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=given.value)
    if unit_codes.discrete(unit_code) and amount != amount.to_integral_value():
        raise QuantityNotOnGrid(field="quantity.value", value=f"{canonical(amount)} {unit_code}", grid="1")
    return amount


def _of_order(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("purchase_order", "order_line", "text", "work_order", "demand")}
