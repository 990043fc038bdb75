"""Structures with their revisions, what a quantity takes, and kits."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from plantops.materials.v1 import structures_pb2
from sqlalchemy import select

from services.chassis.faults import FieldInvalid, RevisionOverlap
from services.chassis.unit import Unit
from services.chassis.wire import amount_of, decimal_of, enum_name, quantity, to_date, values_for
from services.materials.api import kits
from services.materials.model import structure as structures
from services.materials.model.item import Item
from services.materials.model.structure import (
    OutputKind,
    Structure,
    StructureComponent,
    StructureOutput,
    StructureRevision,
)
from services.materials.rules import units
from services.materials.rules.structures import Edge, exploded, fits, main_percent

ZERO = Decimal(0)
OPERATION = 10
DEEPEST = 50


class StructureService:
    """What items are made of, and kits."""

    async def get_structure(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Structure, request.name)

    async def list_structures(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Structure, request)

    async def create_structure(self, request: Any, unit: Unit) -> Any:
        values = values_for(Structure, request.structure)
        if await unit.find(Item, values["item"], lock=False) is None:
            raise FieldInvalid(field="structure.item", rule="must be an item", value=values["item"])
        return unit.add(Structure(name=unit.new_name("", Structure.COLLECTION, request.structure_id), **values))

    async def get_structure_revision(self, request: Any, unit: Unit) -> Any:
        return await unit.get(StructureRevision, request.name)

    async def list_structure_revisions(self, request: Any, unit: Unit) -> Any:
        return await unit.list(StructureRevision, request, parent_column=StructureRevision.structure)

    async def create_structure_revision(self, request: Any, unit: Unit) -> Any:
        structure = await unit.get(Structure, request.parent)
        given = request.structure_revision
        day = to_date(given.effective_date)
        if day is None:
            raise FieldInvalid(field="structure_revision.effective_date", rule="must be a day")
        other = await unit.first(
            select(StructureRevision.name).where(  # type: ignore[call-overload]
                StructureRevision.structure == structure.name, StructureRevision.effective_date == day
            )
        )
        if other is not None:
            raise RevisionOverlap(revision=f"A revision from {day}", other=other)
        items = await unit.get_many(
            Item, [structure.item, *(row.item for row in (*given.components, *given.outputs))], lock=False
        )
        row = revision_of(unit, structure, day, given, items)
        await structures.refuse_circle(unit, structure.item, [part.item for part in row.components], day)
        return unit.add(row)

    async def explode_structure(self, request: Any, unit: Unit) -> Any:
        structure = await unit.get(Structure, request.name)
        day = to_date(request.as_of_date) if request.HasField("as_of_date") else None
        day = day or unit.now.date()
        revision = await structures.in_force(unit, structure.name, day)
        amount = revision.base_quantity
        if request.HasField("quantity"):
            item = await unit.get(Item, structure.item)
            amount = item.stated(request.quantity, "quantity")[0]
            if amount <= 0:
                raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
        rows = await structures.tree(unit, revision.name, day, request.max_level or DEEPEST)
        edges = (
            Edge(tuple(row.path), Fraction(row.numerator, row.denominator), row.base_quantity, row.scrap_percent)
            for row in rows
        )
        exact = exploded(edges, amount)
        answer = structures_pb2.ExplodeStructureResponse(structure_revision=revision.name)
        for row in rows:
            found = exact[tuple(row.path)]
            answer.rows.add(
                level=len(row.path), item=row.item, operation=row.operation, exact_numerator=str(found.numerator),
                exact_denominator=str(found.denominator),
                quantity=quantity(units.up(found, row.base_step), row.base_unit_code),
                structure_revision=row.made_by or "",
            )  # fmt: skip
        return answer

    async def assemble_kit(self, request: Any, unit: Unit) -> Any:
        return await kits.assemble(request, unit)

    async def disassemble_kit(self, request: Any, unit: Unit) -> Any:
        return await kits.disassemble(request, unit)


def revision_of(
    unit: Unit, structure: Structure, day: date, given: Any, items: Mapping[str, Item]
) -> StructureRevision:
    """The revision that a request describes; FieldInvalid where it does not add up."""
    field = "structure_revision"
    main = items[structure.item]
    base, _ = main.stated(given.base_quantity, f"{field}.base_quantity")
    if base <= 0:
        rule = "must be more than 0"
        raise FieldInvalid(field=f"{field}.base_quantity.value", rule=rule, value=given.base_quantity.value)
    name = unit.new_name(structure.name, StructureRevision.COLLECTION)
    components, outputs = parts_of(given.components, given.outputs, items, structure.item, field, name)
    return StructureRevision(
        name=name, structure=structure.name, effective_date=day, base_quantity=base, unit_code=main.base_unit_code,
        author=unit.caller.name, cost_percent=shared_percent(outputs, given, field), components=components,
        outputs=outputs,
    )  # fmt: skip


def parts_of(
    components: Any, outputs: Any, items: Mapping[str, Item], main: str, field: str, name: str = ""
) -> tuple[list[StructureComponent], list[StructureOutput]]:
    """Components and outputs of a request in base units."""
    goes_in = [
        StructureComponent(structure_revision=name, line=at + 1, **_component(part, items, f"{field}.components[{at}]"))
        for at, part in enumerate(components)
    ]
    comes_out = [
        StructureOutput(structure_revision=name, line=at + 1, **_output(part, items, main, f"{field}.outputs[{at}]"))
        for at, part in enumerate(outputs)
    ]
    return goes_in, comes_out


def shared_percent(outputs: Any, given: Any, field: str) -> Decimal:
    """Share of the item itself; FieldInvalid where the shares do not sum to 100."""
    valued = given is not None and given.HasField("cost_percent")
    stated = decimal_of(given.cost_percent.value, f"{field}.cost_percent") if valued else None
    shares = [row.cost_percent for row in outputs if row.kind is OutputKind.CO_PRODUCT]
    found = main_percent(shares, stated)
    if found is None:
        rule = "and those of co-products are more than 0 and sum to 100"
        raise FieldInvalid(field=f"{field}.cost_percent", rule=rule, value=[*shares, stated])
    return found


def _component(part: Any, items: Mapping[str, Item], field: str) -> dict[str, Any]:
    """Columns of a component; the ratio in base units."""
    return {
        "item": part.item, "operation": part.operation or OPERATION, "manual": part.manual,
        "scrap_percent": _percent(part, "scrap_percent", field, below=Decimal(100)),
        "over_percent": _percent(part, "over_percent", field, below=Decimal(10) ** 9),
        "under_percent": _percent(part, "under_percent", field, below=Decimal("100.000001")),
    } | _ratio(part, items, field)  # fmt: skip


def _output(part: Any, items: Mapping[str, Item], main: str, field: str) -> dict[str, Any]:
    """Columns of what comes beside; a co-product has a share, a by-product a value."""
    kind = OutputKind(enum_name(part, "kind"))
    if part.item == main:
        raise FieldInvalid(field=f"{field}.item", rule="must be another item than the one that is made", value=main)
    percent = _percent(part, "cost_percent", field, below=Decimal(100))
    valued = part.HasField("unit_value")
    if (percent > 0) is not (kind is OutputKind.CO_PRODUCT):
        raise FieldInvalid(field=f"{field}.cost_percent", rule="is that of a CO_PRODUCT, more than 0", value=percent)
    if valued is not (kind is OutputKind.BY_PRODUCT):
        raise FieldInvalid(field=f"{field}.unit_value", rule="is that of a BY_PRODUCT")
    value = amount_of(part.unit_value) if valued else None
    if value is not None and value < 0:
        raise FieldInvalid(field=f"{field}.unit_value", rule="must not be negative", value=value)
    return {
        "item": part.item, "kind": kind, "cost_percent": percent, "unit_value": value,
        "unit_value_currency_code": part.unit_value.currency_code if valued else "",
    } | _ratio(part, items, field)  # fmt: skip


def _ratio(part: Any, items: Mapping[str, Item], field: str) -> dict[str, int]:
    item = items.get(part.item)
    if item is None:
        raise FieldInvalid(field=f"{field}.item", rule="must be an item", value=part.item)
    ratio = Fraction(part.numerator, part.denominator or 1) * item.factor(part.unit_code or item.base_unit_code)
    if not fits(ratio):
        raise FieldInvalid(field=f"{field}.numerator", rule="is too fine or too large in base units", value=ratio)
    return {"numerator": ratio.numerator, "denominator": ratio.denominator}


def _percent(part: Any, name: str, field: str, *, below: Decimal) -> Decimal:
    if not part.HasField(name):
        return ZERO
    found = decimal_of(getattr(part, name).value, f"{field}.{name}")
    if not ZERO <= found < below:
        raise FieldInvalid(field=f"{field}.{name}", rule=f"must be at least 0 and less than {below}", value=found)
    return found
