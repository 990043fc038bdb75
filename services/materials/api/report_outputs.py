"""What a report makes: lots and serials, their value, and where they came from (MAT-126, MAT-127, MAT-135)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from plantops.materials.v1.production_pb2 import OutputQuantity
from sqlalchemy import select

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, json_of, money, python_of, quantity
from services.materials.model import in_process, item_settings, second_quantity
from services.materials.model import location as locations
from services.materials.model.genealogy import GenealogyEdge
from services.materials.model.item import Item, SiteFact
from services.materials.model.item_settings import NumberRules
from services.materials.model.ledger import Line, Posting, SerialExists, by_serial
from services.materials.model.location import Location
from services.materials.model.lot import Lot, Register, named
from services.materials.model.movement import MovementKind
from services.materials.model.production import LotRule, ProductionOrder
from services.materials.model.production_report import ProductionConsumption
from services.materials.model.structure import OutputKind
from services.materials.rules import backflush, lot_numbers, order_cost, units, valuation
from services.materials.rules.lots import Dates, lasting
from services.materials.rules.order_cost import Absorbed

if TYPE_CHECKING:
    from services.materials.api.reporting import Plan, Standing

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Output:
    """Something that comes: line 0 is the item of the order."""

    line: int
    item: Item
    quantity: Decimal
    lot_number: str = ""
    serial_numbers: Sequence[str] = ()
    percent: Decimal = ZERO
    unit_value: Decimal | None = None
    second: Decimal | None = None
    second_unit_code: str = ""


@dataclass(slots=True)
class Making:
    """What came, with its value, and what of the inputs went into it."""

    posting: Posting | None = None
    lot: str = ""
    serials: list[str] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)
    absorbed: list[dict[str, str]] = field(default_factory=list)
    parts: list[tuple[Absorbed, str, str, dict[str, str], bool]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    carried: Decimal = ZERO
    value: Decimal = ZERO


@dataclass(slots=True)
class Known:
    """Lots, serials, rules of numbers and places that reports speak of."""

    unit: Unit
    fact: SiteFact
    digits: int
    items: dict[str, Item]
    lots: dict[tuple[str, str], Lot]
    rules: dict[str, NumberRules]
    register: Register
    places: Mapping[str, Location]
    known_lots: dict[tuple[str, str], Lot] = field(default_factory=dict)
    known_serials: dict[str, list[Any]] = field(default_factory=dict)

    def begin(self) -> None:
        """As it was read: what a round that was undone had made is no more."""
        self.known_lots = self.known_lots or dict(self.lots)
        self.known_serials = self.known_serials or {key: list(rows) for key, rows in self.register.known.items()}
        self.lots = dict(self.known_lots)
        self.register.known = {key: list(rows) for key, rows in self.known_serials.items()}

    @classmethod
    async def of(
        cls, unit: Unit, fact: SiteFact, orders: Mapping[str, ProductionOrder], items: dict[str, Item],
        requests: Iterable[Any],
    ) -> "Known":  # fmt: skip
        """Read in a constant number of statements."""
        asked = [request for request in requests if request.production_order in orders]
        numbers: set[str] = set()
        for request in asked:
            order = orders[request.production_order]
            numbers |= {request.lot_number, *(row.lot_number for row in request.outputs)}
            at = python_of(request.end_time) if request.HasField("end_time") else unit.now
            numbers.add(lot_number(order, request, fact, at))
        made = sorted({name for order in orders.values() for name in (order.item, *(r.item for r in order.outputs))})
        rows = await unit.all(
            select(Lot).where(
                Lot.item.in_(made),  # type: ignore[attr-defined]
                Lot.number.in_(sorted(lot_numbers.normal(number) for number in numbers)),  # type: ignore[attr-defined]
            ).order_by(Lot.name).with_for_update(of=Lot)
        )  # fmt: skip
        return cls(
            unit, fact, valuation.places(fact.currency_code), items, {(row.item, row.number): row for row in rows},
            await item_settings.number_rules(unit, fact.name.split("/")[1], made),
            await Register.of(unit, made, (number for request in asked for number in request.serial_numbers)),
            await locations.named(unit, {order.output_location for order in orders.values()}),
        )  # fmt: skip


def lot_number(order: ProductionOrder, request: Any, fact: SiteFact, at: datetime) -> str:
    """Number of the lot by the rule of the order: its own, the day's, or that of line and day (MAT-126)."""
    if order.lot_rule is LotRule.ORDER:
        return order.number
    day = f"{fact.day(at):%Y%m%d}"
    line = (request.asset or order.asset or order.line_location).rsplit("/", 1)[-1]
    return f"{line}-{day}" if order.lot_rule is LotRule.LINE and line else day


def planned(
    known: Known, order: ProductionOrder, request: Any, plan: "Plan", produced: Mapping[int, Decimal]
) -> list[Output]:
    """What comes of a report; FieldInvalid where lots, serials or lines do not fit."""
    found = []
    done = plan.operation == order.last_operation and plan.good > 0
    number = lot_number(order, request, known.fact, plan.end)
    if done:
        place = known.places.get(order.output_location)
        in_process.at_line(place, order.site or "", order.output_location, "production_order", staging=False)
        item = known.items[order.item]
        if item.catch is not None and len(request.serial_numbers) > 1:
            rule = "names one unit, where each has its own weight"
            raise FieldInvalid(field="serial_numbers", rule=rule, value=list(request.serial_numbers))
        found.append(
            Output(
                0, item, plan.good, _lot(known, item, request.lot_number, number, "lot_number"),
                _serials(known, item, plan.good, request), order.cost_percent, None,
                *second_quantity.stated(item, request, plan.good),
            )
        )  # fmt: skip
    elif request.serial_numbers or request.lot_number:
        raise FieldInvalid(
            field="lot_number", rule="goes with good units of the last operation", value=request.lot_number
        )
    asked = {row.output: (index, row) for index, row in enumerate(request.outputs)}
    unknown = set(asked) - {row.line for row in order.outputs}
    if unknown or len(asked) < len(request.outputs):
        raise FieldInvalid(field="outputs", rule="names lines of the order's outputs, each once", value=sorted(unknown))
    for row in order.outputs:
        item = known.items[row.item]
        index, stated = asked.get(row.line, (0, None))
        field_name = f"outputs[{index}]"
        if stated is not None:
            amount, _ = item.stated(stated.quantity, f"{field_name}.quantity")
            if amount < 0 or (row.kind is OutputKind.CO_PRODUCT and not done):
                rule = "must not be negative, and a co-product comes with good units of the last operation"
                raise FieldInvalid(field=f"{field_name}.quantity", rule=rule, value=amount)
        elif row.kind is OutputKind.CO_PRODUCT and done:
            whole = units.down(row.per_unit * Fraction(plan.out + plan.good), item.base_step)
            amount = max(whole - produced[row.line], ZERO)
        else:
            continue
        if amount > 0:
            if item.tracking.by_serial:
                raise FieldInvalid(field=f"{field_name}.output", rule="must not be tracked by serial", value=item.name)
            lot = _lot(known, item, stated.lot_number if stated is not None else "", number, f"{field_name}.lot_number")
            weight = second_quantity.stated(item, stated or OutputQuantity(), amount, prefix=f"{field_name}.")
            found.append(Output(row.line, item, amount, lot, (), row.cost_percent, row.unit_value, *weight))
    return found


def _lot(known: Known, item: Item, scanned: str, by_rule: str, field_name: str) -> str:
    """Number of the lot: scanned, else by rule; none where the item has no lots."""
    if not item.tracking.by_lot:
        if scanned:
            raise FieldInvalid(field=field_name, rule="must be empty: the item is not tracked by lot", value=scanned)
        return ""
    number = lot_numbers.normal(scanned or by_rule)
    rules = known.rules.get(item.name)
    if scanned and (item.name, number) not in known.lots and rules and (refusal := rules.lots.refusal(number)):
        raise FieldInvalid(field=field_name, rule=refusal, value=scanned)
    return number


def _serials(known: Known, item: Item, amount: Decimal, request: Any) -> list[str]:
    """Numbers of the serials, none in stock or gone; SerialExists for one that is (MAT-16)."""
    numbers = named(item, [lot_numbers.normal(n) for n in request.serial_numbers], amount, "serial_numbers")
    rules = known.rules.get(item.name, NumberRules())
    for number in numbers:
        known.register.free(item.name, number)
        serial = known.register.find(item.name, number)
        if serial is not None and (serial.balance or serial.left_by):
            raise SerialExists.of(serial.name, serial.location, serial.left_by, serial.handling_unit)
        if serial is None and (refusal := rules.serials.refusal(number)):
            raise FieldInvalid(field="serial_numbers", rule=refusal, value=number)
    return numbers


def made(known: Known, plan: "Plan", standing: "Standing", production: Location) -> Making:
    """The posting of what comes, at the value of what went into it.

    Per component, what was used and is in nothing yet is shared over the units that have it: those that went through
    its operation, were not spoilt and are not out; so what spoilt units took is borne by the good ones. By-products
    come at their own value, which lowers the rest; co-products share it by their percents, exactly.
    """
    making = Making()
    if not plan.outputs:
        return making
    order, digits = plan.order, known.digits
    good = plan.good if plan.operation == order.last_operation else ZERO
    total = _absorb(making, plan, standing, good, digits)
    beside = [valuation.rounded(o.unit_value * o.quantity, digits) for o in plan.outputs if o.unit_value is not None]
    shared = [output for output in plan.outputs if output.unit_value is None]
    carry = ZERO
    if good > 0:
        first = min(row.operation for row in order.operations)
        whole = backflush.alive(plan.counts, first, plan.out)
        carry = valuation.share(standing.carried, good, whole, digits)
    cost = order_cost.cost(total, carry, sum(beside, ZERO), [output.percent for output in shared], digits)
    making.carried = cost.carry - carry
    standing.carried += making.carried
    values = iter(cost.shares)
    given = iter(beside)
    lines: list[Line] = []
    for output in plan.outputs:
        value = next(given) if output.unit_value is not None else next(values)
        making.value += value
        lines += _lines(known, plan, making, output, value, production)
    making.posting = Posting.new(
        known.unit, order.site or "", MovementKind.PRODUCE, *lines, source=plan.name, correlation=order.chain,
        effective_time=plan.at,
    )  # fmt: skip
    return making


def _absorb(making: Making, plan: "Plan", standing: "Standing", good: Decimal, digits: int) -> Decimal:
    """Value of the inputs that go into the good units; what went in is noted for the edges and for a reversal."""
    total = ZERO
    for component in plan.order.components:
        inputs = [row for row in standing.inputs.get(component.line, []) if row.remaining or row.remaining_value]
        whole = backflush.alive(plan.counts, component.operation, plan.out)
        lots = {row.lot for row in inputs}
        taken = order_cost.absorb(inputs, good, whole, digits)
        mixed = len(lots) > 1 and good < whole
        left = {row.lot: canonical(row.remaining) for row in inputs if row.remaining > 0 and row.lot}
        for number, row in enumerate(taken):
            total += row.value
            making.absorbed.append(
                {"input": row.input.key, "quantity": canonical(row.quantity), "value": canonical(row.value)}
            )
            others = left if mixed and number == 0 else {}
            making.parts.append((row, component.item, component.unit_code, others, mixed))
    return total


def _lines(
    known: Known, plan: "Plan", making: Making, output: Output, value: Decimal, production: Location
) -> list[Line]:
    """Lines of one output, in its lot, which is made unless it is known."""
    item, order = output.item, plan.order
    lot = made_lot(known, item, output.lot_number, plan.end) if output.lot_number else ""
    serials = [
        (known.register.find(item.name, number) or known.register.make(item.name, number, lot)).name
        for number in output.serial_numbers
    ]
    if output.line == 0:
        making.lot, making.serials = lot, serials
    making.names += [lot] if lot else serials
    making.shown.append(
        {
            "line": output.line, "item": item.name, "lot": lot, "location": order.output_location,
            "quantity": json_of(quantity(output.quantity, item.base_unit_code)),
            "value": json_of(money(value, order.currency_code)),
        }
    )  # fmt: skip
    line = Line(
        item=item.name, lot=lot, quantity=output.quantity, unit_code=item.base_unit_code,
        from_location=production.name, to_location=order.output_location, from_virtual=True, cost=value,
        second_quantity=output.second, second_unit_code=output.second_unit_code,
    )  # fmt: skip
    return by_serial(line, serials, known.digits)


def made_lot(known: Known, item: Item, number: str, at: datetime) -> str:
    """Name of a lot that something is made in; a new one is made with the day as its day of manufacture."""
    key = (item.name, number)
    if key not in known.lots:
        new = Lot(name=known.unit.new_name(item.name, Lot.COLLECTION), item=item.name, number=number)
        dates = lasting(Dates(manufacture_date=known.fact.day(at)), item.shelf_life_days)
        known.lots[key] = known.unit.add(new.dated(dates))
    lot = known.lots[key]
    lot.first_receipt_time = lot.first_receipt_time or at
    return lot.name


def edges_of(
    making: Making, rows: Mapping[str, ProductionConsumption], order: str, at: datetime
) -> list[GenealogyEdge]:
    """Edges of what was made, with lots that may have been used in place of those that were booked."""
    if making.posting is None:
        return []
    parts = [
        (row, item, unit_code, {**rows[row.input.key].others, **others}, mixed)
        for row, item, unit_code, others, mixed in making.parts
    ]
    return in_process.edges(
        making.names, parts, movement=making.posting.name, at=making.posting.effective_time or at, order=order
    )
