"""Purchase orders as goods that will come: expected receipts follow what an order says (MAT-95)."""

from decimal import Decimal
from typing import Any

from sqlalchemy import select

from services.chassis.unit import Unit
from services.chassis.wire import amount_of, decimal_of, to_date
from services.materials.model.receipt import ExpectedReceipt, ExpectedState, OverReceiptAction


async def known(unit: Unit, order: str) -> dict[tuple[int, int], ExpectedReceipt]:
    """Expected receipts of an order by line and schedule line, locked."""
    rows = await unit.all(
        select(ExpectedReceipt)
        .where(ExpectedReceipt.purchase_order == order)  # type: ignore[arg-type]
        .order_by(ExpectedReceipt.name)
        .with_for_update()
    )
    return {(row.order_line, row.schedule_line): row for row in rows}


def fill(row: ExpectedReceipt, line: Any, schedule: Any) -> bool:
    """Take over what the order says; whether a row that was counted on is so no more."""
    awaited = row.state is ExpectedState.OPEN
    row.quantity = decimal_of(schedule.quantity.value)
    row.open_quantity = decimal_of(schedule.open_quantity.value)
    row.accept_limit = max(decimal_of(schedule.accept_limit.value), row.received)
    row.base_numerator, row.base_denominator = schedule.base_numerator or 1, schedule.base_denominator or 1
    row.over_receipt_action = OverReceiptAction.of(schedule.over_receipt_action)
    row.location = schedule.delivery_location
    if line.kind == "DIRECT":
        row.text = schedule.text or f"line {line.line}"
        row.work_order, row.demand = schedule.work_order, schedule.demand
    row.expected_date = to_date(schedule.expected_date)
    if line.HasField("unit_price"):
        base = decimal_of(line.price_base_quantity.value) if line.HasField("price_base_quantity") else Decimal(1)
        row.unit_price = round(amount_of(line.unit_price) / base, 9)
        row.unit_price_currency_code = line.unit_price.currency_code
    counted = awaited and not row.set_aside
    row.set_aside = schedule.set_aside
    if row.open_quantity <= 0 and not row.complete:
        return row.close() and awaited
    if row.open_quantity > 0 and row.state is ExpectedState.CLOSED:
        row.move(ExpectedState.OPEN)
    row.judge()
    return counted and row.set_aside
