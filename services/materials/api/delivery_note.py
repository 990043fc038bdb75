"""Packing list and delivery note: a shipment by handling units, with SSCCs, lots, serials and weights."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from plantops.materials.v1 import shipments_pb2
from sqlalchemy import select

from services.chassis.unit import Unit
from services.chassis.wire import fill, quantity
from services.materials.model import loading
from services.materials.model.goods import content_of
from services.materials.model.handling_unit import HandlingUnit
from services.materials.model.item import Item
from services.materials.model.lot import Lot, Serial
from services.materials.model.shipment import Shipment, ShipmentLine, ShippedUnit, State
from services.materials.rules import units, weights


@dataclass(frozen=True, slots=True)
class Names:
    """What items, lots and serials are called on paper."""

    items: Mapping[str, Item]
    lots: Mapping[str, Lot]
    serials: Mapping[str, Serial]

    @classmethod
    async def of(cls, unit: Unit, rows: Iterable[ShipmentLine]) -> "Names":
        """Those that lines name; three statements."""
        found = list(rows)
        return cls(
            await unit.get_many(Item, {row.item for row in found}, lock=False),
            await unit.get_many(Lot, {row.lot for row in found if row.lot}, lock=False),
            await unit.get_many(Serial, {serial for row in found for serial in row.serials}, lock=False),
        )


async def written(unit: Unit, row: Shipment) -> Any:
    """The papers of a shipment: as it left, else as its units are packed now. A constant number of statements."""
    lines, packed = await (_shipped(unit, row) if row.state is State.SHIPPED else _planned(unit, row))
    names = await Names.of(unit, lines)
    note = fill(shipments_pb2.DeliveryNote(), _Head(row))
    note.name = f"{row.name}/deliveryNote"
    for one in lines:
        if not one.handling_unit:
            _put(note.lines, one, names)
    for root in sorted((one for one in packed if not _outer(one, packed)), key=lambda one: one.sscc):
        _put_unit(note.units, root, packed, lines, names)
    total = _total(lines, packed, names)
    if total is not None:
        note.total_weight.CopyFrom(quantity(units.decimal(total), "KGM"))
    return note


class _Head:
    """What the papers say of the shipment itself."""

    def __init__(self, row: Shipment) -> None:
        self.number, self.customer, self.address = row.number, row.customer, row.address
        self.source_system, self.external_id, self.carrier = row.source_system, row.external_id, row.carrier
        self.ship_time = row.ship_time


async def _shipped(unit: Unit, row: Shipment) -> tuple[list[ShipmentLine], Sequence[ShippedUnit]]:
    packed = await unit.all(select(ShippedUnit).where(ShippedUnit.shipment == row.name))  # type: ignore[arg-type]
    return row.lines, packed


async def _planned(unit: Unit, row: Shipment) -> tuple[list[ShipmentLine], Sequence[ShippedUnit]]:
    whole = {one.handling_unit for one in row.lines if one.of_unit}
    root_of, inside = await loading.look(unit, row.site or "", whole)
    rows = await unit.get_many(HandlingUnit, root_of, lock=False)
    lines = [one for one in row.lines if not one.of_unit]
    for balance in inside:
        lines.append(ShipmentLine(shipment="", line=0, **content_of(balance, root_of[balance.handling_unit])))
    return lines, [ShippedUnit.of("", one) for one in rows.values()]


def _outer(one: ShippedUnit, packed: Sequence[ShippedUnit]) -> bool:
    return any(other.handling_unit == one.parent_handling_unit for other in packed)


def _put(target: Any, one: ShipmentLine, names: Names) -> None:
    item = names.items[one.item]
    line = target.add(
        line=one.line, item=one.item, item_number=item.number, item_title=item.title,
        lot_number=names.lots[one.lot].number if one.lot else "",
        serial_numbers=sorted(names.serials[serial].number for serial in one.serials),
        quantity=quantity(one.quantity, one.unit_code),
    )  # fmt: skip
    if one.second_quantity is not None:
        line.second_quantity.CopyFrom(quantity(one.second_quantity, one.second_quantity_unit_code))
    weight = _weight(one, item)
    if weight is not None:
        line.weight.CopyFrom(quantity(units.decimal(weight), "KGM"))


def _put_unit(
    target: Any, one: ShippedUnit, packed: Sequence[ShippedUnit], lines: Sequence[ShipmentLine], names: Names
) -> None:
    message = target.add(handling_unit=one.handling_unit, number=one.number, sscc=one.sscc)
    if one.gross_weight is not None:
        message.gross_weight.CopyFrom(quantity(one.gross_weight, one.gross_weight_unit_code))
    for line in lines:
        if line.handling_unit == one.handling_unit:
            _put(message.lines, line, names)
    for inner in sorted(packed, key=lambda other: other.sscc):
        if inner.parent_handling_unit == one.handling_unit:
            _put_unit(message.units, inner, packed, lines, names)


def _weight(one: ShipmentLine, item: Item) -> Fraction | None:
    """Of goods: as they are counted or weighed, else as the item says of one base unit."""
    for value, code in (
        (one.second_quantity, one.second_quantity_unit_code),
        (one.quantity, one.unit_code),
        (_times(one.quantity, item.gross_weight), item.gross_weight_unit_code),
    ):
        if (known := weights.kilograms(value, code)) is not None:
            return known
    return None


def _times(amount: Decimal, each: Decimal | None) -> Decimal | None:
    return None if each is None else amount * each


def _total(lines: Sequence[ShipmentLine], packed: Sequence[ShippedUnit], names: Names) -> Fraction | None:
    """Loose goods and outermost units; None when a weight is not known."""
    parts = [_weight(one, names.items[one.item]) for one in lines if not one.handling_unit]
    parts += [
        weights.kilograms(one.gross_weight, one.gross_weight_unit_code) for one in packed if not _outer(one, packed)
    ]
    known = [part for part in parts if part is not None]
    return sum(known, Fraction(0)) if len(known) == len(parts) and parts else None
