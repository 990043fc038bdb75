"""Which order lines a delivery is counted to: the named one, else spread over the open ones (MAT-96)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from services.chassis.faults import FieldInvalid
from services.chassis.query import among
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.model.item import Item
from services.materials.model.movement import Status
from services.materials.model.receipt import (
    ExpectedReceipt,
    ExpectedState,
    NothingExpected,
    OverReceiptAction,
    Receipt,
)
from services.materials.rules import receiving

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Part:
    """What of a delivery is counted to an order line; to none of them without order."""

    order: ExpectedReceipt | None
    quantity: Decimal
    over: bool = False

    def status(self, item: Item) -> Status:
        """BLOCKED until somebody has decided, else as the item and the order ask for (MAT-97, MAT-98)."""
        if self.order is None or self.over:
            return Status.BLOCKED
        return Status.INSPECTION if item.inspect_receipts or self.order.inspect else Status.UNRESTRICTED


async def expected_of(
    unit: Unit, receipt: Receipt, items: Iterable[str], *, lock: bool = True
) -> Sequence[ExpectedReceipt]:
    """Expected receipts of the receipt's supplier for items; locked, so that scanners count one after the other."""
    statement = (
        select(ExpectedReceipt)
        .where(
            ExpectedReceipt.site == receipt.site,  # type: ignore[arg-type]
            ExpectedReceipt.supplier == receipt.supplier,  # type: ignore[arg-type]
            among(ExpectedReceipt.item, items),
        )
        .order_by(ExpectedReceipt.name)
    )
    rows: Sequence[ExpectedReceipt] = await unit.all(statement.with_for_update(key_share=True) if lock else statement)
    return rows


def parts(expected: Iterable[ExpectedReceipt], supplier: str, item: Item, amount: Decimal, request: Any) -> list[Part]:
    """What of an amount in the base unit is counted to which line; OverReceipt where the excess is rejected."""
    if request.without_order:
        if request.expected_receipt:
            rule = "must be empty: the goods belong to no order"
            raise FieldInvalid(field="expected_receipt", rule=rule, value=request.expected_receipt)
        return [Part(None, amount)]
    mine = sorted((row for row in expected if row.item == item.name), key=_earliest)
    if request.expected_receipt:
        waiting = [row for row in mine if row.name == request.expected_receipt]
        if not waiting:
            rule = "must be an expected receipt of the item and the supplier"
            raise FieldInvalid(field="expected_receipt", rule=rule, value=request.expected_receipt)
    else:
        waiting = [row for row in mine if row.state is ExpectedState.OPEN]
    if item.catch is not None:  # its weight cannot be told apart
        whole = next((row for row in waiting if row.room(amount)), None)
        if whole is not None:
            return [Part(whole, amount)]
        spread, excess = [ZERO for _ in waiting], amount
    else:
        spread, excess = receiving.spread([row.left(item.base_step) for row in waiting], amount)
    found = [Part(row, part) for row, part in zip(waiting, spread, strict=True) if part > 0]
    if excess > 0:
        found.append(Part(_takes_excess(waiting, mine, supplier, item, amount, excess), excess, over=True))
    return found


def awaited(found: Iterable[Part], item: Item) -> Decimal:
    """What of a delivery is awaited by the lines that it is counted to."""
    return sum(
        (min(part.quantity, part.order.left(item.base_step).awaited) for part in found if part.order and not part.over),
        ZERO,
    )


def _earliest(row: ExpectedReceipt) -> tuple[bool, date, str]:
    return row.expected_date is None, row.expected_date or date.max, row.name


def _takes_excess(
    waiting: Sequence[ExpectedReceipt],
    mine: Sequence[ExpectedReceipt],
    supplier: str,
    item: Item,
    amount: Decimal,
    excess: Decimal,
) -> ExpectedReceipt:
    """The last line that takes goods beyond its limit in; a closed one takes none."""
    known = waiting or [row for row in mine if row.state is ExpectedState.COMPLETE]
    for row in reversed(known):
        if row.state is not ExpectedState.CLOSED and row.over_receipt_action is not OverReceiptAction.REJECT:
            return row
    if waiting:
        raise waiting[-1].refused(excess)
    raise NothingExpected(supplier=supplier, item=item.name, quantity=canonical(amount), unit_code=item.base_unit_code)
