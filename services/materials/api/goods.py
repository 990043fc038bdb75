"""Lines of transfers and shipments as people state them: checked, and brought to the base unit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import enum_name
from services.materials.api.postings import InspectionOpen
from services.materials.model import handling_unit, second_quantity
from services.materials.model import location as locations
from services.materials.model.goods import GoodsLine
from services.materials.model.handling_unit import Path
from services.materials.model.inspection import OPEN_LOTS, InspectionLot
from services.materials.model.item import Item
from services.materials.model.location import Kind, Location
from services.materials.model.lot import Lot, Serial, named
from services.materials.model.movement import Status


@dataclass(slots=True)
class Known:
    """All that the lines of a document speak of, read in a constant number of statements."""

    site: str
    items: dict[str, Item]
    lots: dict[str, Lot]
    serials: dict[str, Serial]
    places: dict[str, Location]
    units: dict[str, Path]

    @classmethod
    async def of(cls, unit: Unit, site: str, rows: Sequence[Any]) -> "Known":
        """What the lines name."""
        return cls(
            site,
            await unit.get_many(Item, {row.item for row in rows}, lock=False),
            await unit.get_many(Lot, {row.lot for row in rows if row.lot}, lock=False),
            await unit.get_many(Serial, {serial for row in rows for serial in row.serials}, lock=False),
            await locations.named(unit, {row.location for row in rows}),
            await handling_unit.paths(unit, (row.handling_unit for row in rows)),
        )

    def values(self, row: Any, field: str) -> dict[str, Any]:
        """Columns of a line."""
        if not row.item:
            return self._whole_unit(row, field)
        if row.handling_unit:
            rule = "must be empty beside an item: a unit goes as a whole"
            raise FieldInvalid(field=f"{field}.handling_unit", rule=rule, value=row.handling_unit)
        item = self.items.get(row.item)
        if item is None:
            raise FieldInvalid(field=f"{field}.item", rule="must be an item", value=row.item)
        self._lot(item, row, field)
        amount, entered = item.stated(row.quantity, f"{field}.quantity")
        if amount <= 0:
            raise FieldInvalid(field=f"{field}.quantity.value", rule="must be more than 0", value=row.quantity.value)
        second, second_unit = second_quantity.stated(item, row, amount, prefix=f"{field}.")
        serials = self._serials(item, row, amount, field)
        place = self.places.get(row.location)
        if place is None or place.site != self.site or place.virtual or place.kind is Kind.TRANSIT:
            rule = "must be a place of the site that goods lie at"
            raise FieldInvalid(field=f"{field}.location", rule=rule, value=row.location)
        status = Status(enum_name(row, "status")) if row.status else Status.UNRESTRICTED
        return {
            "item": item.name, "lot": row.lot, "status": status, "location": place.name, "quantity": amount,
            "unit_code": item.base_unit_code, "second_quantity": second, "second_quantity_unit_code": second_unit,
            "entered_quantity": entered.quantity, "entered_quantity_unit_code": entered.unit_code,
            "factor_numerator": entered.numerator, "factor_denominator": entered.denominator, "serials": serials,
        }  # fmt: skip

    def _whole_unit(self, row: Any, field: str) -> dict[str, Any]:
        if not row.handling_unit:
            raise FieldInvalid(field=f"{field}.item", rule="or a handling unit is required")
        if row.handling_unit not in self.units or not row.handling_unit.startswith(f"sites/{self.site}/"):
            rule = "must be a handling unit of the site"
            raise FieldInvalid(field=f"{field}.handling_unit", rule=rule, value=row.handling_unit)
        for name in ("lot", "location", "serials", "status"):
            if getattr(row, name):
                raise FieldInvalid(field=f"{field}.{name}", rule="must be empty: a unit goes with all that is in it")
        return {"handling_unit": row.handling_unit}

    def _lot(self, item: Item, row: Any, field: str) -> None:
        if item.tracking.by_lot != bool(row.lot):
            rule = "is required: the item is tracked by lot" if item.tracking.by_lot else "must be empty"
            raise FieldInvalid(field=f"{field}.lot", rule=rule, value=row.lot)
        if row.lot and (row.lot not in self.lots or self.lots[row.lot].item != item.name):
            raise FieldInvalid(field=f"{field}.lot", rule="must be a lot of the item", value=row.lot)

    def _serials(self, item: Item, row: Any, amount: Decimal, field: str) -> list[str]:
        names = named(item, row.serials, amount, f"{field}.serials")
        for name in names:
            known = self.serials.get(name)
            if known is None or (known.item, known.lot) != (item.name, row.lot):
                rule = "must be serials of the item and the lot"
                raise FieldInvalid(field=f"{field}.serials", rule=rule, value=name)
        return names


async def lines(unit: Unit, site: str, rows: Sequence[Any], model: Any, field: str, **of: str) -> list[Any]:
    """Lines of a document, numbered from 1; FieldInvalid names the line, and stock or a unit that is named twice."""
    known = await Known.of(unit, site, rows)
    found = []
    seen: set[tuple[str, ...]] = set()
    for number, row in enumerate(rows, 1):
        where = f"{field}.lines[{number - 1}]"
        values = known.values(row, where)
        line = model(line=number, **of, **values)
        for serial in line.serials or [""]:
            key = (line.item, line.lot, line.location, line.status.value, line.handling_unit, serial)
            if key in seen:
                raise FieldInvalid(field=where, rule="names stock that another line names")
            seen.add(key)
        found.append(line)
    return found


async def refuse_inspected(unit: Unit, site: str, rows: Iterable[GoodsLine]) -> None:
    """InspectionOpen for stock that waits for a usage decision, which alone moves it on (MAT-201)."""
    waiting = [row for row in rows if row.status is Status.INSPECTION]
    if not waiting:
        return
    keys = {(row.item, row.lot, row.location) for row in waiting}
    found: Sequence[InspectionLot] = await unit.all(
        select(InspectionLot)
        .where(
            InspectionLot.site == site,  # type: ignore[arg-type]
            InspectionLot.state.in_(OPEN_LOTS),  # type: ignore[attr-defined]
            InspectionLot.item.in_(sorted({item for item, _, _ in keys})),  # type: ignore[attr-defined]
        )
        .order_by(InspectionLot.name)
    )
    for lot in found:
        if (lot.item, lot.lot, lot.location) in keys:
            raise InspectionOpen(item=lot.item, location=lot.location, inspection_lot=lot.name)
