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
from services.materials.model.item import Item, SiteFact, site_fact
from services.materials.model.location import Location
from services.materials.model.production import (
    LotRule,
    ProductionComponent,
    ProductionOperation,
    ProductionOrder,
    ProductionOutput,
)
from services.materials.model.structure import Structure, StructureNotInForce, StructureRevision
from services.materials.rules import backflush
from services.materials.rules.structures import fits

FIELD = "production_order"
FIRST = 10
_PLAIN = (
    "source_system",
    "external_id",
    "asset",
    "start_time",
    "due_time",
    "line_location",
    "output_location",
    "supply_request",
)


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
    site, given = request.parent.split("/")[1], request.production_order
    planning = await Planning.of(unit, site, [given])
    order = planning.order(given)
    order.number = await unit.next_number("PO")
    return planning.add(order)


@dataclass(slots=True)
class Planning:
    """What new orders speak of, read in a constant number of statements: items, structures, places."""

    unit: Unit
    site: str
    fact: SiteFact
    items: Mapping[str, Item]
    structures: Mapping[str, str]
    in_force: Mapping[str, StructureRevision]
    revisions: Mapping[str, StructureRevision]
    places: Mapping[str, Location]

    @classmethod
    async def of(cls, unit: Unit, site: str, wanted: Sequence[Any]) -> "Planning":
        fact = await site_fact(unit, site)
        made = sorted({given.item for given in wanted})
        columns: Any = Structure
        found = {
            row.item: row.name
            for row in await unit.execute(select(columns.item, columns.name).where(columns.item.in_(made)))
        }
        in_force = await structures.all_in_force(unit, found.values(), fact.day(unit.now))
        named = {given.structure_revision for given in wanted if given.structure_revision}
        revisions = {row.name: row for row in in_force.values()}
        if named - set(revisions):
            revisions |= await unit.get_many(StructureRevision, named - set(revisions), lock=False)
        names = {*made}
        for given in wanted:
            names |= {row.component.item for row in given.components} | {row.output.item for row in given.outputs}
        for revision in revisions.values():
            names |= {row.item for row in revision.components} | {row.item for row in revision.outputs}
        return cls(
            unit, site, fact, await unit.get_many(Item, names, lock=False), found, in_force, revisions,
            await locations.named(unit, {place for given in wanted for place in _places_of(given) if place}),
        )  # fmt: skip

    def order(self, given: Any) -> ProductionOrder:
        """An order without a number, not yet written; FieldInvalid where it does not add up."""
        main = self.items.get(given.item)
        if main is None:
            raise FieldInvalid(field=f"{FIELD}.item", rule="must be an item", value=given.item)
        amount, _ = main.stated(given.quantity, f"{FIELD}.quantity")
        if amount <= 0:
            raise FieldInvalid(field=f"{FIELD}.quantity.value", rule="must be more than 0", value=given.quantity.value)
        if bool(given.source_system) is not bool(given.external_id):
            raise FieldInvalid(field=f"{FIELD}.external_id", rule="goes with source_system, both or neither")
        bill = self._bill(given, main)
        for field, name in zip(("line_location", "output_location"), _places_of(given), strict=True):
            if name:
                place = self.places.get(name)
                in_process.at_line(place, self.site, name, f"{FIELD}.{field}", staging=field == "line_location")
        order = ProductionOrder(
            name=self.unit.new_name(f"sites/{self.site}", ProductionOrder.COLLECTION), site=self.site, number="",
            item=main.name, unit_code=main.base_unit_code, quantity=amount, structure_revision=bill.revision,
            cost_percent=bill.percent, currency_code=self.fact.currency_code,
            **values_for(ProductionOrder, given, _PLAIN),
        )  # fmt: skip
        order.lot_rule = (
            LotRule(values_for(ProductionOrder, given, ["lot_rule"])["lot_rule"]) if given.lot_rule else LotRule.ORDER
        )
        order.components = [_component(order, bill, row, self.items[row.item]) for row in bill.components]
        order.outputs = [_output(order, bill, row, self.items[row.item]) for row in bill.outputs]
        order.operations = _operations(order, given, main)
        return order

    def add(self, order: ProductionOrder) -> ProductionOrder:
        """Write an order that has its number, with the places of its operations."""
        for row in order.operations:
            self.unit.add(in_process.wip_location(order, row.operation))
        return self.unit.add(order)

    def _bill(self, given: Any, main: Item) -> Bill:
        if given.components:
            if given.structure_revision:
                rule = "must be empty where components are given"
                raise FieldInvalid(field=f"{FIELD}.structure_revision", rule=rule, value=given.structure_revision)
            return self._given_bill(given, main)
        structure = self.structures.get(main.name)
        if given.structure_revision:
            revision = self.revisions.get(given.structure_revision)
            if revision is None or revision.structure != structure:
                rule = "must be a revision of the item's structure"
                raise FieldInvalid(field=f"{FIELD}.structure_revision", rule=rule, value=given.structure_revision)
        else:
            if structure is None:
                rule = "has no structure; give the components"
                raise FieldInvalid(field=f"{FIELD}.item", rule=rule, value=main.name)
            revision = self.in_force.get(structure)
            if revision is None:
                raise StructureNotInForce(structure=structure, date=self.fact.day(self.unit.now))
        return Bill(
            revision.name, revision.base_quantity, revision.cost_percent, revision.components, revision.outputs
        )  # fmt: skip

    def _given_bill(self, given: Any, main: Item) -> Bill:
        base = Decimal(1)
        if given.HasField("base_quantity"):
            base, _ = main.stated(given.base_quantity, f"{FIELD}.base_quantity")
        if base <= 0:
            raise FieldInvalid(field=f"{FIELD}.base_quantity.value", rule="must be more than 0", value=base)
        components, outputs = parts_of(
            [row.component for row in given.components], [row.output for row in given.outputs], self.items, main.name,
            FIELD,
        )  # fmt: skip
        if any(row.item == main.name for row in components):
            raise FieldInvalid(field=f"{FIELD}.components", rule="must not have the item itself", value=main.name)
        return Bill("", base, shared_percent(outputs, None, FIELD), components, outputs)


def _places_of(given: Any) -> tuple[str, str]:
    return given.line_location, given.output_location


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
