"""Files of structures: each row is a revision of what an item is made of, and enters once (MAT-130, MAT-321)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from plantops.materials.v1 import structures_pb2
from sqlalchemy import select, tuple_

from services.chassis.faults import Cycle, Fault, FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import fill, to_date
from services.materials.api import sheets_items
from services.materials.api.sheets_columns import Column, Parts, measure, same
from services.materials.api.sheets_documents import DocumentSheet, item_of
from services.materials.api.structures import revision_of
from services.materials.model import exchange
from services.materials.model import structure as structures
from services.materials.model.exchange import Externals, Given, Kind, Outcome
from services.materials.model.item import Item
from services.materials.model.structure import Structure, StructureKind, StructureRevision
from services.materials.rules.structures import Dated, back

Key = tuple[str, date]


class StructureSheet(DocumentSheet):
    """Revisions of structures; what they are known by is the item and the day."""

    kind, flat, message = Kind.STRUCTURES, True, structures_pb2.StructureRevision
    prefix = "structure_revision."
    columns = (
        Column("external_id"), Column("item"), Column("kind"), Column("title"), *same("effective_date"),
        *measure("base_quantity"), Parts("components", "components"), Parts("outputs", "outputs"),
        *same("cost_percent"),
    )  # fmt: skip
    required = ("item", "effective_date", "base_quantity", "base_quantity_unit", "components")
    permissions = ("materials.structures.create",)
    linked = True

    def keys(self, cells: Mapping[str, str]) -> list[str]:
        return [f"{cells['item']}\x1f{cells['effective_date']}"]

    async def enter(self, unit: Unit, site: str, asked: Sequence[tuple[Given, Any]]) -> None:
        await structures.alone(unit)
        words = [row.cells["item"] for row, _ in asked]
        named = await sheets_items.named(unit, [*words, *(part.item for _, given in asked for part in parts_of(given))])
        externals = await exchange.externals(unit, self.kind, "", [row.external_id for row, _ in asked])
        items = {item.name: item for item in named.values()}
        found = {row.item: row for row in await unit.all(select(Structure).where(Structure.item.in_(sorted(items))))}  # type: ignore[attr-defined]
        days = {(found[named[row.cells["item"]].name].name, to_date(given.effective_date)) for row, given in asked
                if row.cells["item"] in named and named[row.cells["item"]].name in found}  # fmt: skip
        columns: Any = StructureRevision
        there = await unit.all(
            select(StructureRevision).where(tuple_(columns.structure, columns.effective_date).in_(sorted(days)))
        )
        known = {(row.structure, row.effective_date): row for row in there}
        below = await structures.below(unit, items)
        links = []
        for row, given in asked:
            try:
                made = self._one(unit, row, given, named, items, found, known, below, externals)
                if row.external_id and row.external_id not in externals.by_id:
                    links.append((row.external_id, made.name, ""))
            except Fault as fault:
                self.refuse(row, fault)
        await unit.flush()
        await exchange.link(unit, self.kind, "", links)

    def _one(
        self, unit: Unit, row: Given, given: Any, named: Mapping[str, Item], items: dict[str, Item],
        found: dict[str, Structure], known: dict[Key, StructureRevision], below: Dated, externals: Externals,
    ) -> StructureRevision:  # fmt: skip
        item = item_of(named, row.cells["item"], "item")
        for field in ("components", "outputs"):
            for number, part in enumerate(getattr(given, field)):
                part.item = item_of(named, part.item, f"structure_revision.{field}[{number}].item")
        self.checked(given)
        day = to_date(given.effective_date)
        if day is None:
            raise FieldInvalid(field="effective_date", rule="must be a day such as 2026-12-31")
        structure = self._structure(unit, row, item, found)
        revision = revision_of(unit, structure, day, given, items)
        before = known.get((structure.name, day))
        linked, _ = externals.by_id.get(row.external_id, ("", ""))
        if linked and (before is None or before.name != linked):
            raise FieldInvalid(field="external_id", rule=f"belongs to {linked}", value=row.external_id)
        if before is not None:
            self.same(row, before.name, content(before), content(revision))
            return before
        goes_in = sorted({part.item for part in revision.components})
        if way := back(item, goes_in, day, below):
            raise Cycle(path=" -> ".join(way)).at("structure_revision.components")
        below.setdefault(item, {})[day] = goes_in
        if structure.item not in found:
            found[structure.item] = unit.add(structure)
        known[structure.name, day] = unit.add(revision)
        row.done(Outcome.CREATED, revision.name)
        return revision

    def _structure(self, unit: Unit, row: Given, item: str, found: Mapping[str, Structure]) -> Structure:
        """The item's structure, or a new one, not yet written."""
        kind = row.cells.get("kind", "")
        if kind and kind not in StructureKind.__members__:
            raise FieldInvalid(field="kind", rule=f"must be one of {', '.join(StructureKind)}", value=kind)
        there = found.get(item)
        if there is None:
            name = unit.new_name("", Structure.COLLECTION)
            wanted = StructureKind(kind or StructureKind.BILL_OF_MATERIALS)
            return Structure(name=name, item=item, kind=wanted, title=row.cells.get("title", ""))
        if kind and kind != there.kind:
            raise FieldInvalid(field="kind", rule=f"is {there.kind} and does not change", value=kind)
        return there

    async def order(self, unit: Unit, site: str) -> list[str]:
        """By their days."""
        columns: Any = StructureRevision
        return list(await unit.all(select(columns.name).order_by(columns.effective_date, columns.name)))

    async def pages(self, unit: Unit, site: str, names: Sequence[str]) -> list[dict[str, str]]:
        rows = await unit.get_many(StructureRevision, names, lock=False)
        heads = await unit.get_many(Structure, {row.structure for row in rows.values()}, lock=False)
        numbers = await sheets_items.numbers(unit, [row.item for row in heads.values()])
        externals = await exchange.externals(unit, self.kind, "", (), names)
        found = []
        for name in names:
            row = rows[name]
            head = heads[row.structure]
            cells = self.cells(fill(structures_pb2.StructureRevision(), row))
            cells |= {
                "external_id": externals.by_name.get(name, ""), "item": numbers[head.item], "kind": head.kind.value,
                "title": head.title,
            }  # fmt: skip
            found.append(cells)
        return found


def parts_of(given: Any) -> Iterable[Any]:
    """Components and outputs of a revision."""
    return [*given.components, *given.outputs]


def content(row: StructureRevision) -> dict[str, Any]:
    """What a revision says, in base units for one base unit."""
    base = row.base_quantity
    return {
        "components": [
            (part.item, part.operation, part.ratio / Fraction(base), part.scrap_percent, part.over_percent,
             part.under_percent, part.manual)
            for part in row.components
        ],
        "outputs": [
            (part.item, part.kind, part.ratio / Fraction(base), part.cost_percent, part.unit_value)
            for part in row.outputs
        ],
        "cost_percent": row.cost_percent,
    }  # fmt: skip
