"""Counting in what was scanned: each line finds its order line, its quantity, its lot."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import select

from services.chassis.faults import FieldInvalid
from services.chassis.query import among
from services.chassis.unit import Unit
from services.chassis.wire import to_date
from services.materials.api import receipt_orders, receiving
from services.materials.api.receipt_orders import Part
from services.materials.model import handling_unit, item_settings, second_quantity
from services.materials.model.handling_unit import HandlingUnitElsewhere, Path
from services.materials.model.item import Item
from services.materials.model.item_settings import NumberRules
from services.materials.model.ledger import Entered, SerialExists
from services.materials.model.lot import Lot, LotDateConflict, Register, named, possible
from services.materials.model.movement import Movement, MovementKind
from services.materials.model.receipt import ExpectedReceipt, OverReceipt, Receipt, ReceiptLine
from services.materials.model.settings import Receiving
from services.materials.rules import lot_numbers, units
from services.materials.rules.lots import Dates, lasting

Key = tuple[str, str]
DATES = ("manufacture_date", "best_before_date", "expire_date")


@dataclass(slots=True)
class Counting:
    """All that the lines of one call speak of, read and locked in a constant number of statements."""

    unit: Unit
    receipt: Receipt
    items: dict[str, Item]
    expected: Sequence[ExpectedReceipt]
    lots: dict[Key, Lot]
    number_rules: dict[str, NumberRules]
    register: Register
    around: dict[str, Path]
    returns: set[str]
    way: Receiving = Receiving.FREE

    @property
    def blind(self) -> bool:
        """Whether who counts does not see how much is expected."""
        return self.way is Receiving.BLIND

    @classmethod
    async def of(cls, unit: Unit, receipt: Receipt, requests: Iterable[Any]) -> "Counting":
        """Items, the supplier's expected receipts of them, and the lots, new ones made."""
        rows = list(requests)
        items = await unit.get_many(Item, {row.item for row in rows}, lock=False)
        lots = await _lots(unit, rows)
        keys = {(row.item, lot_numbers.normal(row.lot_number)) for row in rows if row.lot_number}
        new = {item for item, _ in keys - set(lots)}
        if new:  # nobody else makes lots of them meanwhile
            await unit.get_many(Item, new)
            lots = await _lots(unit, rows)
        expected = await receipt_orders.expected_of(unit, receipt, items)
        around = await handling_unit.paths(unit, (row.handling_unit for row in rows))
        rules = await item_settings.number_rules(unit, receipt.site or "", items)
        register = await Register.of(unit, items, [number for row in rows for number in row.serial_numbers])
        returns = await _returns(unit, {row.returns for row in rows if row.returns})
        way = await receiving.of(unit, receipt.site or "")
        return cls(unit, receipt, items, expected, lots, rules, register, around, returns, way)

    def add(self, request: Any) -> list[ReceiptLine]:
        """One scan, one line or several that it is spread to; nothing is changed when it is refused."""
        item, amount, entered = stated(self.items, request)
        second, second_unit = second_quantity.stated(item, request, amount)
        self._check_lot(item, request)
        self._check_handling_unit(request.handling_unit)
        numbers = self._numbers(item, amount, request)
        parts = self._parts(item, amount, request)
        lot = self._lot(item, request)
        serials = sorted(
            (self.register.find(item.name, n) or self.register.make(item.name, n, lot)).name for n in numbers
        )
        if len(parts) > 1:
            entered = None
        first = self.receipt.next_line
        made = []
        for number, part in enumerate(parts, first):
            mine, serials = (serials[: int(part.quantity)], serials[int(part.quantity) :]) if serials else ([], [])
            row = ReceiptLine(
                receipt=self.receipt.name, line=number, spread_of=first if number > first else 0,
                item=item.name, lot=lot, quantity=part.quantity, unit_code=item.base_unit_code,
                location=self.receipt.location, handling_unit=request.handling_unit, serials=mine,
                second_quantity=second, second_quantity_unit_code=second_unit, returns=request.returns,
                owner=self.receipt.supplier if request.consigned else "", documents=list(request.documents),
                status=part.status(item), over=part.over, **_counted(part, item), **_entered(part, item, entered),
            )  # fmt: skip
            self.receipt.lines.append(row)
            made.append(row)
        self.receipt.touch()
        return made

    def _parts(self, item: Item, amount: Decimal, request: Any) -> list[Part]:
        """What is counted to which order line; what is not awaited has to be meant where receiving is guided."""
        try:
            found = receipt_orders.parts(self.expected, self.receipt.supplier, item, amount, request)
        except OverReceipt as fault:
            raise receiving.unseen(fault, amount, item.base_unit_code) if self.blind else fault from None
        if self.way is Receiving.GUIDED:
            awaited = receipt_orders.awaited(found, item)
            receiving.guide(awaited, amount, item.base_unit_code, excess=request.excess)
        return found

    def _check_handling_unit(self, name: str) -> None:
        """A unit that goods arrive in is open and stands at the dock."""
        if not name:
            return
        if name not in self.around or not name.startswith(f"sites/{self.receipt.site}/"):
            raise FieldInvalid(field="handling_unit", rule="must be a handling unit of the site", value=name)
        if self.around[name].opened().place != self.receipt.location:
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


def stated(items: Mapping[str, Item], request: Any) -> tuple[Item, Decimal, Entered | None]:
    """The item that a request names, how much of it in the base unit, and as it was stated."""
    item = items.get(request.item)
    if item is None:
        raise FieldInvalid(field="item", rule="must be an item", value=request.item)
    amount, entered = item.stated(request.quantity, "quantity")
    if amount <= 0:
        raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
    return item, amount, entered


def _counted(part: Part, item: Item) -> dict[str, Any]:
    """The order line that goods are counted to, and how much of it; what is over counts to nothing."""
    order = part.order
    if order is None:
        return {"order_quantity": part.quantity, "order_quantity_unit_code": item.base_unit_code}
    over = units.decimal(Fraction(part.quantity) / order.factor) if part.over else None
    return {
        "expected_receipt": order.name, "purchase_order": order.purchase_order, "order_line": order.order_line,
        "schedule_line": order.schedule_line, "order_quantity_unit_code": order.unit_code,
        "order_quantity": order.count(part.quantity) if over is None else over,
    }  # fmt: skip


def _entered(part: Part, item: Item, entered: Entered | None) -> dict[str, Any]:
    """The quantity as it was stated; a part of it in the base unit (MAT-2)."""
    entered = entered or Entered(part.quantity, item.base_unit_code)
    return {
        "entered_quantity": entered.quantity, "entered_quantity_unit_code": entered.unit_code,
        "factor_numerator": entered.numerator, "factor_denominator": entered.denominator,
    }  # fmt: skip


async def _lots(unit: Unit, rows: Sequence[Any]) -> dict[Key, Lot]:
    """Lots that scans speak of, as far as they are known."""
    numbers = {lot_numbers.normal(row.lot_number) for row in rows if row.lot_number}
    if not numbers:
        return {}
    found = await unit.all(select(Lot).where(among(Lot.item, {row.item for row in rows}), among(Lot.number, numbers)))
    return {(lot.item, lot.number): lot for lot in found}


async def _returns(unit: Unit, names: set[str]) -> set[str]:
    """Those of the movements by which goods went back to suppliers."""
    if not names:
        return set()
    kind = MovementKind.RETURN_TO_SUPPLIER
    statement = select(Movement.name).where(Movement.name.in_(sorted(names)), Movement.kind == kind)  # type: ignore[attr-defined, call-overload]
    return set(await unit.all(statement))


def _dates(request: Any) -> Dates:
    return Dates(*(to_date(getattr(request, field)) if request.HasField(field) else None for field in DATES))
