"""Kits: put together from what lies at a place, and taken apart again, with movements and edges (MAT-129)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from plantops.materials.v1 import structures_pb2
from sqlalchemy import select

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, money
from services.materials.model import in_process, ledger, stock
from services.materials.model import location as locations
from services.materials.model import structure as structures
from services.materials.model.genealogy import GenealogyEdge
from services.materials.model.in_process import Absorption
from services.materials.model.item import Item, SiteFact, site_fact
from services.materials.model.ledger import Line, NotEnoughStock, Posting, SerialExists, by_serial
from services.materials.model.location import Kind, Location
from services.materials.model.lot import Lot, Register, named
from services.materials.model.movement import MovementKind, ValueBalance
from services.materials.model.structure import Structure, StructureComponent, StructureKind, StructureRevision
from services.materials.rules import backflush, lot_numbers, valuation
from services.materials.rules.backflush import Part, Source
from services.materials.rules.lots import Dates, lasting
from services.materials.rules.order_cost import Absorbed, Input

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Kit:
    """What a request speaks of, with the stock of all items held."""

    site: str
    fact: SiteFact
    place: Location
    production: Location
    revision: StructureRevision
    item: Item
    items: Mapping[str, Item]
    quantity: Decimal

    def needed(self, row: StructureComponent) -> Decimal:
        """What the kits take of a component, on its grid."""
        item = self.items[row.item]
        per_unit = backflush.needed(row.ratio / Fraction(self.revision.base_quantity), row.scrap_percent)
        exact = per_unit * Fraction(self.quantity)
        return backflush.brought(exact, item.base_unit_code, item.base_step, item.rounding)


async def _kit(request: Any, unit: Unit) -> Kit:
    site = request.parent.split("/")[1]
    fact = await site_fact(unit, site)
    structure = await unit.find(Structure, request.structure, lock=False)
    if structure is None or structure.kind is not StructureKind.KIT:
        raise FieldInvalid(field="structure", rule="must be a structure of kind KIT", value=request.structure)
    revision = await structures.in_force(unit, structure.name, fact.day(unit.now))
    names = {structure.item, *(row.item for row in revision.components)}
    await ledger.hold(unit, site, names)
    items = await unit.get_many(Item, names, lock=False)
    caught = sorted(name for name, item in items.items() if item.catch is not None)
    if caught:
        raise FieldInvalid(field="structure", rule="must not have items with a catch weight", value=caught)
    amount, _ = items[structure.item].stated(request.quantity, "quantity")
    if amount <= 0:
        raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
    place = in_process.at_line(
        await unit.find(Location, request.location, lock=False), site, request.location, "location", staging=False
    )
    production = await locations.virtual(unit, site, Kind.PRODUCTION)
    return Kit(site, fact, place, production, revision, items[structure.item], items, amount)


def _drawn(sources: Sequence[Source], item: Item, amount: Decimal, kit: Kit, unit: Unit) -> list[Part]:
    """All of an amount by expiry, then age; NotEnoughStock with what there is."""
    mine = [source for source in sources if source.item == item.name]
    there = sum((source.left for source in mine), ZERO)
    parts = backflush.draw(mine, amount, today=kit.fact.day(unit.now))
    if (found := backflush.total(parts)) < amount:
        raise NotEnoughStock(
            available=canonical(min(there, found)), unit_code=item.base_unit_code, item=item.name, lot="",
            location=kit.place.name, status="UNRESTRICTED", asked=canonical(amount),
        )  # fmt: skip
    return parts


async def assemble(request: Any, unit: Unit) -> structures_pb2.KitMovement:
    """Components into production, kits out of it at their value."""
    kit = await _kit(request, unit)
    sources = in_process.free_of_units(await in_process.free(unit, kit.site, kit.items, kit.place.name))
    drawn = [
        (row.item, part)
        for row in kit.revision.components
        for part in _drawn(sources, kit.items[row.item], kit.needed(row), kit, unit)
    ]
    lines = [in_process.line(part, kit.items[item].base_unit_code, kit.production) for item, part in drawn]
    source = unit.new_name(f"sites/{kit.site}", in_process.KITS)
    consume = Posting.new(unit, kit.site, MovementKind.CONSUME, *lines, source=source)
    await ledger.post_all(unit, kit.site, [consume])
    lot, serials = await _identified(request, unit, kit)
    value = consume.worth
    line = Line(
        item=kit.item.name, lot=lot, quantity=kit.quantity, unit_code=kit.item.base_unit_code,
        from_location=kit.production.name, to_location=kit.place.name, from_virtual=True, cost=value,
    )  # fmt: skip
    digits = valuation.places(kit.fact.currency_code)
    produce = Posting.new(unit, kit.site, MovementKind.PRODUCE, *by_serial(line, serials, digits), source=source)
    await ledger.post_all(unit, kit.site, [produce])
    for edge in _edges(kit, drawn, [lot] if lot else serials, produce):
        unit.session.add(edge)
    await unit.flush()
    await stock.follow(unit, kit.site, [consume, produce])
    return structures_pb2.KitMovement(
        structure_revision=kit.revision.name, consume_movement=consume.name, produce_movement=produce.name, lot=lot,
        value=money(value, kit.fact.currency_code),
    )  # fmt: skip


def _edges(kit: Kit, drawn: Sequence[tuple[str, Part]], made: Sequence[str], produce: Posting) -> list[GenealogyEdge]:
    assert produce.effective_time is not None
    parts: list[Absorption] = [
        (
            Absorbed(
                Input("", part.source.lot or part.source.serial, part.source.handling_unit, 0, ZERO, ZERO,
                      part.pooled),
                part.quantity, ZERO,
            ),
            item, kit.items[item].base_unit_code, {}, False,
        )
        for item, part in drawn
    ]  # fmt: skip
    return in_process.edges(made, parts, movement=produce.name, at=produce.effective_time, order="")


async def _identified(request: Any, unit: Unit, kit: Kit) -> tuple[str, list[str]]:
    """Lot and serials of new kits, made by it."""
    item = kit.item
    if item.tracking.by_lot != bool(request.lot_number):
        rule = "is required: the item is tracked by lot" if item.tracking.by_lot else "must be empty"
        raise FieldInvalid(field="lot_number", rule=rule, value=request.lot_number)
    lot = ""
    if request.lot_number:
        number = lot_numbers.normal(request.lot_number)
        known = await unit.first(select(Lot).where(Lot.item == item.name, Lot.number == number))  # type: ignore[arg-type]
        if known is None:
            dates = lasting(Dates(manufacture_date=kit.fact.day(unit.now)), item.shelf_life_days)
            name = unit.new_name(item.name, Lot.COLLECTION)
            known = unit.add(Lot(name=name, item=item.name, number=number, first_receipt_time=unit.now).dated(dates))
        lot = known.name
    numbers = named(item, [lot_numbers.normal(n) for n in request.serial_numbers], kit.quantity, "serial_numbers")
    register = await Register.of(unit, [item.name], numbers)
    serials = []
    for number in numbers:
        serial = register.find(item.name, number)
        if serial is not None and (serial.balance or serial.left_by):
            raise SerialExists.of(serial.name, serial.location, serial.left_by, serial.handling_unit)
        serials.append((serial or register.make(item.name, number, lot)).name)
    return lot, serials


async def disassemble(request: Any, unit: Unit) -> structures_pb2.KitMovement:
    """Kits into production, components out of it; the kits' value is shared by what the components are worth."""
    kit = await _kit(request, unit)
    sources = in_process.free_of_units(await in_process.free(unit, kit.site, [kit.item.name], kit.place.name))
    wanted = [source for source in sources if request.lot in ("", source.lot)]
    parts = _drawn(wanted, kit.item, kit.quantity, kit, unit)
    rows = [row for row in kit.revision.components if kit.needed(row) > 0]
    tracked = sorted(row.item for row in rows if kit.items[row.item].tracking.by_serial)
    if tracked:
        raise FieldInvalid(field="structure", rule="must not have components with serials here", value=tracked)
    lots = await _component_lots(request, unit, kit, rows, parts)
    source = unit.new_name(f"sites/{kit.site}", in_process.KITS)
    lines = [in_process.line(part, kit.item.base_unit_code, kit.production) for part in parts]
    consume = Posting.new(unit, kit.site, MovementKind.CONSUME, *lines, source=source)
    await ledger.post_all(unit, kit.site, [consume])
    weights = await _weights(unit, kit, rows)
    values = valuation.parts(consume.worth, weights, valuation.places(kit.fact.currency_code))
    out = [
        Line(
            item=row.item, lot=lots.get(row.item, ""), quantity=kit.needed(row),
            unit_code=kit.items[row.item].base_unit_code, from_location=kit.production.name,
            to_location=kit.place.name, from_virtual=True, cost=value,
        )
        for row, value in zip(rows, values, strict=True)
    ]  # fmt: skip
    produce = Posting.new(unit, kit.site, MovementKind.PRODUCE, *out, source=source)
    await ledger.post_all(unit, kit.site, [produce])
    used = [(kit.item.name, part) for part in parts]
    for edge in _edges(kit, used, sorted({lot for lot in lots.values() if lot}), produce):
        unit.session.add(edge)
    await unit.flush()
    await stock.follow(unit, kit.site, [consume, produce])
    return structures_pb2.KitMovement(
        structure_revision=kit.revision.name, consume_movement=consume.name, produce_movement=produce.name,
        lot=parts[0].source.lot, value=money(consume.worth, kit.fact.currency_code),
    )  # fmt: skip


async def _component_lots(
    request: Any, unit: Unit, kit: Kit, rows: Sequence[StructureComponent], parts: Sequence[Part]
) -> dict[str, str]:
    """Lot of each component that is tracked by lot: as stated, else the one that the kits were made of."""
    needed = {row.item for row in rows if kit.items[row.item].tracking.by_lot}
    stated = {row.item: row.lot for row in request.component_lots}
    known = await unit.get_many(Lot, stated.values(), lock=False)
    for item, lot in stated.items():
        if item not in needed or lot not in known or known[lot].item != item:
            raise FieldInvalid(field="component_lots", rule="must be lots of components tracked by lot", value=lot)
    kits = sorted({part.source.lot or part.source.serial for part in parts})
    came = await unit.execute(
        select(GenealogyEdge.item, GenealogyEdge.input_lot)  # type: ignore[call-overload]
        .where(GenealogyEdge.output_lot.in_(kits), GenealogyEdge.item.in_(sorted(needed - set(stated))))  # type: ignore[attr-defined]
        .distinct()
    )
    sources: dict[str, set[str]] = {}
    for row in came:
        sources.setdefault(row.item, set()).add(row.input_lot)
    found = dict(stated)
    for item in sorted(needed - set(stated)):
        lots = sources.get(item, set())
        if len(lots) != 1:
            raise FieldInvalid(field="component_lots", rule="must name the lot of this item", value=item)
        found[item] = lots.pop()
    return found


async def _weights(unit: Unit, kit: Kit, rows: Sequence[StructureComponent]) -> list[Decimal]:
    """What components are worth by average or standard cost; by quantity where none of them has a cost."""
    balances = {
        row.item: row
        for row in await unit.all(
            select(ValueBalance).where(ValueBalance.site == kit.site, ValueBalance.item.in_(sorted(kit.items)))  # type: ignore[arg-type, attr-defined]
        )
    }
    worths = []
    for row in rows:
        here = balances.get(row.item)
        standard = kit.items[row.item].standard(kit.fact.currency_code)
        each = here.value / here.quantity if here is not None and here.quantity > 0 else standard or ZERO
        worths.append(each * kit.needed(row))
    return worths if any(worths) else [kit.needed(row) for row in rows]
