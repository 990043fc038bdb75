"""Counting in what was scanned: each line finds its order line, its quantity, its lot."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, to_date
from services.materials.model import handling_unit, item_settings, second_quantity
from services.materials.model.handling_unit import HandlingUnitElsewhere, Path
from services.materials.model.item import Item
from services.materials.model.item_settings import NumberRules
from services.materials.model.ledger import SerialExists
from services.materials.model.lot import Lot, LotDateConflict, Register, named, possible
from services.materials.model.movement import Movement, MovementKind, Status
from services.materials.model.receipt import (
    ExpectedReceipt,
    ExpectedState,
    NothingExpected,
    OverReceipt,
    Receipt,
    ReceiptLine,
)
from services.materials.rules import lot_numbers
from services.materials.rules.lots import Dates, lasting

Key = tuple[str, str]
DATES = ("manufacture_date", "best_before_date", "expire_date")


@dataclass(slots=True)
class Counting:
    """All that the lines of one call speak of, read and locked in a constant number of statements."""

    unit: Unit
    receipt: Receipt
    items: dict[str, Item]
    expected: list[ExpectedReceipt]
    lots: dict[Key, Lot]
    number_rules: dict[str, NumberRules]
    register: Register
    units: dict[str, Path]
    returns: set[str]

    @classmethod
    async def of(cls, unit: Unit, receipt: Receipt, requests: Iterable[Any]) -> "Counting":
        """Items, the supplier's expected receipts of them, and the lots, new ones made."""
        rows = list(requests)
        items = await unit.get_many(Item, {row.item for row in rows})  # locked: nobody else makes lots of them
        expected = await unit.all(
            select(ExpectedReceipt)
            .where(
                ExpectedReceipt.site == receipt.site,  # type: ignore[arg-type]
                ExpectedReceipt.supplier == receipt.supplier,  # type: ignore[arg-type]
                ExpectedReceipt.item.in_(sorted(items)),  # type: ignore[attr-defined]
            )
            .order_by(ExpectedReceipt.name)
            .with_for_update()
        )
        lots = await unit.all(
            select(Lot).where(
                Lot.item.in_(sorted(items)),  # type: ignore[attr-defined]
                Lot.number.in_(sorted({lot_numbers.normal(row.lot_number) for row in rows})),  # type: ignore[attr-defined]
            )
        )
        units = await handling_unit.paths(unit, (row.handling_unit for row in rows))
        rules = await item_settings.number_rules(unit, receipt.site or "", items)
        register = await Register.of(unit, items, [number for row in rows for number in row.serial_numbers])
        known = {(lot.item, lot.number): lot for lot in lots}
        returns = await _returns(unit, {row.returns for row in rows if row.returns})
        return cls(unit, receipt, items, list(expected), known, rules, register, units, returns)

    def add(self, request: Any) -> ReceiptLine:
        """One line; nothing is changed when it is refused."""
        item = self.items.get(request.item)
        if item is None:
            raise FieldInvalid(field="item", rule="must be an item", value=request.item)
        amount, entered = item.stated(request.quantity, "quantity")
        if amount <= 0:
            raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
        second, second_unit = second_quantity.stated(item, request, amount)
        self._check_lot(item, request)
        self._check_handling_unit(request.handling_unit)
        numbers = self._numbers(item, amount, request)
        order = self._order(item, amount, request)
        counted = order.count(amount)
        lot = self._lot(item, request)
        serials = [self.register.find(item.name, n) or self.register.make(item.name, n, lot) for n in numbers]
        row = ReceiptLine(
            receipt=self.receipt.name, line=max((line.line for line in self.receipt.lines), default=0) + 1,
            expected_receipt=order.name, purchase_order=order.purchase_order, order_line=order.order_line,
            schedule_line=order.schedule_line, item=item.name, lot=lot, quantity=amount,
            unit_code=item.base_unit_code, order_quantity=counted, order_quantity_unit_code=order.unit_code,
            location=self.receipt.location, handling_unit=request.handling_unit,
            serials=sorted(serial.name for serial in serials),
            status=Status.INSPECTION if item.inspect_receipts or order.inspect else Status.UNRESTRICTED,
            second_quantity=second, second_quantity_unit_code=second_unit, entered_quantity=entered.quantity,
            entered_quantity_unit_code=entered.unit_code, factor_numerator=entered.numerator,
            factor_denominator=entered.denominator, returns=request.returns,
            owner=self.receipt.supplier if request.consigned else "",
        )  # fmt: skip
        self.receipt.lines.append(row)
        self.receipt.touch()
        return row

    def _order(self, item: Item, amount: Decimal, request: Any) -> ExpectedReceipt:
        """The order line that a scan belongs to: the named one, else the earliest with room (MAT-96)."""
        mine = [row for row in self.expected if row.item == item.name]
        if request.expected_receipt:
            named = next((row for row in mine if row.name == request.expected_receipt), None)
            if named is None:
                rule = "must be an expected receipt of the item and the supplier"
                raise FieldInvalid(field="expected_receipt", rule=rule, value=request.expected_receipt)
            return named
        waiting = sorted(
            (row for row in mine if row.state is ExpectedState.OPEN),
            key=lambda row: (row.expected_date is None, row.expected_date, row.name),
        )
        for row in waiting:
            if row.room(amount):
                return row
        if waiting:
            first = waiting[0]
            raise OverReceipt(
                expected_receipt=first.name, limit=canonical(first.accept_limit), unit_code=first.unit_code,
                received=canonical(first.received), asked=request.quantity.value,
            )  # fmt: skip
        raise NothingExpected(
            supplier=self.receipt.supplier, item=item.name, quantity=canonical(amount), unit_code=item.base_unit_code
        )

    def _check_handling_unit(self, name: str) -> None:
        """A unit that goods arrive in is open and stands at the dock."""
        if not name:
            return
        if name not in self.units or not name.startswith(f"sites/{self.receipt.site}/"):
            raise FieldInvalid(field="handling_unit", rule="must be a handling unit of the site", value=name)
        if self.units[name].opened().place != self.receipt.location:
            raise HandlingUnitElsewhere(handling_unit=name, location=self.receipt.location)

    def _check_lot(self, item: Item, request: Any) -> None:
        """The lot number is needed exactly where the item is tracked by lot; its dates are the lot's (MAT-13)."""
        if not item.tracking.by_lot:
            if request.lot_number:
                rule = "must be empty: the item is not tracked by lot"
                raise FieldInvalid(field="lot_number", rule=rule, value=request.lot_number)
            return
        if not request.lot_number:
            raise FieldInvalid(field="lot_number", rule="is required: the item is tracked by lot")
        number = lot_numbers.normal(request.lot_number)
        lot = self.lots.get((item.name, number))
        dates = _dates(request)
        if lot is None:
            if refusal := self._rules(item).lots.refusal(number):
                raise FieldInvalid(field="lot_number", rule=refusal, value=request.lot_number)
            possible(dates)
            return
        for field in DATES:
            stated, known = getattr(dates, field), getattr(lot, field)
            if stated is not None and stated != known:
                raise LotDateConflict(lot=lot.name, field=field, known=known or "no day", given=stated)

    def _numbers(self, item: Item, amount: Decimal, request: Any) -> list[str]:
        """The serial numbers of the line: one for each unit, none twice in the receipt, none in stock or gone."""
        field = "serial_numbers"
        numbers = named(item, [lot_numbers.normal(number) for number in request.serial_numbers], amount, field)
        mine = {name for line in self.receipt.lines for name in line.serials}
        lot = self.lots.get((item.name, lot_numbers.normal(request.lot_number)))
        if request.returns and (request.returns not in self.returns or not numbers):
            rule = "must be the return to the supplier by which the serials left"
            raise FieldInvalid(field="returns", rule=rule, value=request.returns)
        for number in numbers:
            self.register.free(item.name, number)
            serial = self.register.find(item.name, number)
            if not number or (serial is not None and serial.name in mine):
                raise FieldInvalid(field=field, rule="names each serial once in the receipt", value=number)
            if serial is None:
                if refusal := self._rules(item).serials.refusal(number):
                    raise FieldInvalid(field=field, rule=refusal, value=number)
                continue
            if serial.lot != (lot.name if lot is not None else ""):
                raise FieldInvalid(field=field, rule=f"names a serial of {serial.lot or 'no lot'}", value=number)
            if serial.balance or serial.left_by not in ("", request.returns):
                raise SerialExists.of(serial.name, serial.location, serial.left_by, serial.handling_unit)
        return numbers

    def _rules(self, item: Item) -> NumberRules:
        return self.number_rules.get(item.name, NumberRules())

    def _lot(self, item: Item, request: Any) -> str:
        """Name of the line's lot; one that is not known is made."""
        if not item.tracking.by_lot:
            return ""
        key = (item.name, lot_numbers.normal(request.lot_number))
        if key not in self.lots:
            new = Lot(
                name=self.unit.new_name(item.name, Lot.COLLECTION), item=item.name, number=key[1],
                supplier=self.receipt.supplier,
            )  # fmt: skip
            self.lots[key] = self.unit.add(new.dated(lasting(_dates(request), item.shelf_life_days)))
        return self.lots[key].name


async def _returns(unit: Unit, names: set[str]) -> set[str]:
    """Those of the movements by which goods went back to suppliers."""
    if not names:
        return set()
    kind = MovementKind.RETURN_TO_SUPPLIER
    statement = select(Movement.name).where(Movement.name.in_(sorted(names)), Movement.kind == kind)  # type: ignore[attr-defined, call-overload]
    return set(await unit.all(statement))


def _dates(request: Any) -> Dates:
    return Dates(*(to_date(getattr(request, field)) if request.HasField(field) else None for field in DATES))
