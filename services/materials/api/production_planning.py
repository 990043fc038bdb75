"""A new production order: by the structure of its item, or with the bill that another system gives (MAT-130)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import select

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import python_of, values_for
from services.materials.api.structures import parts_of, shared_percent
from services.materials.model import in_process
from services.materials.model import location as locations
from services.materials.model import structure as structures
from services.materials.model.item import Item, site_fact
from services.materials.model.location import Location
from services.materials.model.production import (
    LotRule,
    ProductionComponent,
    ProductionOperation,
    ProductionOrder,
    ProductionOutput,
)
from services.materials.model.structure import Structure, StructureRevision
from services.materials.rules import backflush
from services.materials.rules.structures import fits

FIELD = "production_order"
FIRST = 10
_PLAIN = ("source_system", "external_id", "asset", "start_time", "due_time", "line_location", "output_location")


@dataclass(frozen=True, slots=True)
class Bill:
    """What goes in and comes out for a base quantity."""

    revision: str
    base: Decimal
    percent: Decimal
    components: Sequence[Any]
    outputs: Sequence[Any]


async def planned(request: Any, unit: Unit) -> ProductionOrder:
    """The order of a request, with a place for each of its operations."""
    site = request.parent.split("/")[1]
    given = request.production_order
    fact = await site_fact(unit, site)
    main = await _item(unit, given.item)
    amount, _ = main.stated(given.quantity, f"{FIELD}.quantity")
    if amount <= 0:
        raise FieldInvalid(field=f"{FIELD}.quantity.value", rule="must be more than 0", value=given.quantity.value)
    if bool(given.source_system) is not bool(given.external_id):
        raise FieldInvalid(field=f"{FIELD}.external_id", rule="goes with source_system, both or neither")
    bill = await _bill(unit, given, main, fact.day(unit.now))
    items = await unit.get_many(Item, [row.item for row in (*bill.components, *bill.outputs)], lock=False)
    for name, item in {main.name: main, **items}.items():
        if item.catch is not None:
            raise FieldInvalid(field=f"{FIELD}.item", rule="must not have a catch weight, nor a component", value=name)
    await _places(unit, site, given)
    order = ProductionOrder(
        name=unit.new_name(request.parent, ProductionOrder.COLLECTION), site=site,
        number=await unit.next_number("PO"), item=main.name, unit_code=main.base_unit_code, quantity=amount,
        structure_revision=bill.revision, cost_percent=bill.percent, currency_code=fact.currency_code,
        **values_for(ProductionOrder, given, _PLAIN),
    )  # fmt: skip
    order.lot_rule = (
        LotRule(values_for(ProductionOrder, given, ["lot_rule"])["lot_rule"]) if given.lot_rule else LotRule.ORDER
    )
    order.components = [_component(order, bill, row, items[row.item]) for row in bill.components]
    order.outputs = [_output(order, bill, row, items[row.item]) for row in bill.outputs]
    order.operations = _operations(order, given, main)
    for row in order.operations:
        unit.add(in_process.wip_location(order, row.operation))
    return unit.add(order)


async def _item(unit: Unit, name: str) -> Item:
    item = await unit.find(Item, name, lock=False)
    if item is None:
        raise FieldInvalid(field=f"{FIELD}.item", rule="must be an item", value=name)
    return item


async def _bill(unit: Unit, given: Any, main: Item, day: Any) -> Bill:
    if given.components:
        if given.structure_revision:
            rule = "must be empty where components are given"
            raise FieldInvalid(field=f"{FIELD}.structure_revision", rule=rule, value=given.structure_revision)
        return await _given_bill(unit, given, main)
    if given.structure_revision:
        revision = await unit.find(StructureRevision, given.structure_revision, lock=False)
        made = await unit.find(Structure, revision.structure, lock=False) if revision is not None else None
        if revision is None or made is None or made.item != main.name:
            rule = "must be a revision of the item's structure"
            raise FieldInvalid(field=f"{FIELD}.structure_revision", rule=rule, value=given.structure_revision)
    else:
        found = await unit.first(select(Structure.name).where(Structure.item == main.name))  # type: ignore[call-overload]
        if found is None:
            raise FieldInvalid(field=f"{FIELD}.item", rule="has no structure; give the components", value=main.name)
        revision = await structures.in_force(unit, found, day)
    return Bill(
        revision.name, revision.base_quantity, revision.cost_percent, revision.components, revision.outputs
    )  # fmt: skip


async def _given_bill(unit: Unit, given: Any, main: Item) -> Bill:
    parts = [row.component for row in given.components]
    beside = [row.output for row in given.outputs]
    items = await unit.get_many(Item, [row.item for row in (*parts, *beside)], lock=False)
    base = Decimal(1)
    if given.HasField("base_quantity"):
        base, _ = main.stated(given.base_quantity, f"{FIELD}.base_quantity")
    if base <= 0:
        raise FieldInvalid(field=f"{FIELD}.base_quantity.value", rule="must be more than 0", value=base)
    components, outputs = parts_of(parts, beside, items, main.name, FIELD)
    if any(row.item == main.name for row in components):
        raise FieldInvalid(field=f"{FIELD}.components", rule="must not have the item itself", value=main.name)
    return Bill("", base, shared_percent(outputs, None, FIELD), components, outputs)


def _ratio(row: Any, base: Decimal) -> dict[str, int]:
    found = row.ratio / Fraction(base)
    if not fits(found):
        raise FieldInvalid(field=f"{FIELD}.components", rule="are too fine for one unit", value=found)
    return {"numerator": found.numerator, "denominator": found.denominator}


def _component(order: ProductionOrder, bill: Bill, row: Any, item: Item) -> ProductionComponent:
    made = ProductionComponent(
        production_order=order.name, line=row.line, item=row.item, operation=row.operation,
        unit_code=item.base_unit_code, scrap_percent=row.scrap_percent, over_percent=row.over_percent,
        under_percent=row.under_percent, manual=row.manual, consumed=Decimal(0), required=Decimal(0),
        **_ratio(row, bill.base),
    )  # fmt: skip
    made.required = required(made, item, order.quantity)
    return made


def _output(order: ProductionOrder, bill: Bill, row: Any, item: Item) -> ProductionOutput:
    return ProductionOutput(
        production_order=order.name, line=row.line, item=row.item, kind=row.kind, unit_code=item.base_unit_code,
        cost_percent=row.cost_percent, unit_value=row.unit_value,
        unit_value_currency_code=row.unit_value_currency_code, produced=Decimal(0), **_ratio(row, bill.base),
    )  # fmt: skip


def required(component: ProductionComponent, item: Item, units: Decimal) -> Decimal:
    """What units take of a component, on its grid."""
    exact = component.per_unit * Fraction(units)
    return backflush.brought(exact, item.base_unit_code, item.base_step, item.rounding)


def _operations(order: ProductionOrder, given: Any, main: Item) -> list[ProductionOperation]:
    asked = {row.operation: row for row in given.operations}
    if len(asked) < len(given.operations):
        raise FieldInvalid(field=f"{FIELD}.operations", rule="names each operation once")
    needed = {row.operation for row in order.components}
    if asked and not needed <= set(asked):
        rule = "must have those of the components"
        raise FieldInvalid(field=f"{FIELD}.operations", rule=rule, value=sorted(needed - set(asked)))
    return [_operation(order, number, asked.get(number), main) for number in sorted(asked or needed or {FIRST})]


def _operation(order: ProductionOrder, number: int, given: Any, main: Item) -> ProductionOperation:
    """A step, as given or without any wish."""
    row = ProductionOperation(
        production_order=order.name, operation=number, site=order.site or "", unit_code=order.unit_code, title="",
        asset=order.asset, location=in_process.wip_location(order, number).name,
    )  # fmt: skip
    if given is None:
        return row
    row.title, row.asset = given.title, given.asset or order.asset
    if given.HasField("unit_duration"):
        row.unit_duration = python_of(given.unit_duration)
    for name in ("wip_limit", "min_units", "max_units"):
        if given.HasField(name):
            setattr(row, name, main.stated(getattr(given, name), f"{FIELD}.operations.{name}")[0])
    return row


async def _places(unit: Unit, site: str, given: Any) -> None:
    """Places of the site: one for staging at the line, and one that good units come to."""
    named: Mapping[str, Location] = await locations.named(unit, [given.line_location, given.output_location])
    for field, name in (("line_location", given.line_location), ("output_location", given.output_location)):
        if name:
            in_process.at_line(named.get(name), site, name, f"{FIELD}.{field}", staging=field == "line_location")
