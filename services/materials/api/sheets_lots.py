"""Files of lots and serials."""

from collections.abc import Mapping, Sequence
from typing import Any

from plantops.materials.v1 import lots_pb2, serials_pb2
from sqlalchemy import or_, select

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.materials.api import sheets_items
from services.materials.api.sheets import Known, ResourceSheet, resources
from services.materials.api.sheets_columns import Column, same
from services.materials.model import exchange, lot
from services.materials.model.exchange import Given, Kind
from services.materials.model.lot import Lot, Serial
from services.materials.model.options import options
from services.materials.rules import lot_numbers
from services.materials.rules.lots import lasting

DATES = ("manufacture_date", "best_before_date", "expire_date")


class LotSheet(ResourceSheet):
    """Lots; what they are known by is item and number."""

    kind, flat, model, message, prefix = Kind.LOTS, True, Lot, lots_pb2.Lot, "lot."
    columns = (
        Column("external_id"), Column("id"), Column("item"), *same("number", "supplier", "supplier_lot", *DATES),
    )  # fmt: skip
    required = ("item", "number")
    permissions = ("materials.lots.create", "materials.lots.update")

    def keys(self, cells: Mapping[str, str]) -> list[str]:
        return [f"{cells['item']}\x1f{lot_numbers.normal(cells['number'])}"]

    async def known(self, unit: Unit, site: str, rows: Sequence[Given], *, dry: bool) -> Known:
        return await _known(unit, self, rows, dry=dry)

    def natural(self, row: Given, known: Known) -> Any:
        return sheets_items.one(row, known).name, lot_numbers.normal(row.cells["number"])

    def parent(self, site: str, row: Given, known: Known) -> str:
        return sheets_items.one(row, known).name

    def new(self, unit: Unit, row: Given, made: Any, known: Known) -> None:
        item = sheets_items.one(row, known)
        made.item, made.number = item.name, lot_numbers.normal(made.number)
        made.dated(lasting(made.dates, item.shelf_life_days), "lot.")

    def fill(self, message: Any, row: Given, known: Known) -> None:
        message.number = lot_numbers.normal(message.number)

    def before(self, made: Any) -> dict[str, Any]:
        return {name: getattr(made, name) for name in DATES}

    def changed(self, unit: Unit, row: Given, made: Any, before: Mapping[str, Any], known: Known) -> None:
        for name in DATES:
            if not row.cells.get(name):  # an empty day says nothing
                setattr(made, name, before[name])
            elif getattr(made, name) != before[name]:
                rule = f"is {before[name] or 'unknown'}; dates of a lot are changed by ChangeLotDates"
                raise FieldInvalid(field=f"lot.{name}", rule=rule, value=getattr(made, name))

    async def around(self, unit: Unit, site: str, rows: Sequence[Any]) -> Known:
        return Known(exchange.Externals(), named=await sheets_items.numbers(unit, [row.item for row in rows]))

    def shown(self, made: Any, known: Known) -> dict[str, str]:
        return {"item": known.named[made.item]}


class SerialSheet(ResourceSheet):
    """Single units; what they are known by is item and number. Where they are is told by stock."""

    kind, flat, model, message, prefix = Kind.SERIALS, True, Serial, serials_pb2.Serial, "serial."
    columns = (Column("external_id"), Column("id"), Column("item"), *same("number"), Column("lot", "lot"))
    required = ("item", "number")
    permissions = ("materials.serials.create",)

    def keys(self, cells: Mapping[str, str]) -> list[str]:
        return [f"{cells['item']}\x1f{lot_numbers.normal(cells['number'])}"]

    async def known(self, unit: Unit, site: str, rows: Sequence[Given], *, dry: bool) -> Known:
        if not dry:
            await lot.lock_numbers(unit, [row.cells["number"] for row in rows])
        known = await _known(unit, self, rows, dry=dry)
        items = sorted({item.name for item in known.named.values()})
        words = sorted({lot_numbers.normal(row.cells["lot"]) for row in rows if row.cells.get("lot")})
        lots = await unit.all(
            select(Lot).where(Lot.item.in_(items), or_(Lot.number.in_(words), Lot.name.in_(words)))  # type: ignore[attr-defined]
        )
        known.more["lots"] = {(row.item, word): row.name for row in lots for word in (row.number, row.name)}
        known.more["taken"] = await _taken(unit, rows)
        return known

    def natural(self, row: Given, known: Known) -> Any:
        return sheets_items.one(row, known).name, lot_numbers.normal(row.cells["number"])

    def parent(self, site: str, row: Given, known: Known) -> str:
        return sheets_items.one(row, known).name

    def fill(self, message: Any, row: Given, known: Known) -> None:
        item = sheets_items.one(row, known)
        if not item.tracking.by_serial:
            raise FieldInvalid(field="item", rule="must be an item that is tracked by serial", value=item.name)
        word = lot_numbers.normal(row.cells.get("lot", ""))
        message.number = lot_numbers.normal(message.number)
        message.lot = known.more["lots"].get((item.name, word), "")
        if item.tracking.by_lot != bool(message.lot) or (word and not message.lot):
            rule = "must be a lot of the item" if item.tracking.by_lot else "must be empty: the item has no lots"
            raise FieldInvalid(field="serial.lot", rule=rule, value=word)

    def new(self, unit: Unit, row: Given, made: Any, known: Known) -> None:
        made.item = sheets_items.one(row, known).name
        holder = known.more["taken"].get(made.number)
        if holder is not None and holder[0] != made.item:
            raise lot.SerialNumberTaken(number=made.number, serial=holder[1]).at("serial.number")
        if options(unit).unique_serials:
            known.more["taken"][made.number] = (made.item, made.name)

    async def around(self, unit: Unit, site: str, rows: Sequence[Any]) -> Known:
        found = Known(exchange.Externals(), named=await sheets_items.numbers(unit, [row.item for row in rows]))
        found.more["lots"] = await numbers(unit, [row.lot for row in rows])
        return found

    def shown(self, made: Any, known: Known) -> dict[str, str]:
        return {"item": known.named[made.item], "lot": known.more["lots"].get(made.lot, "")}


async def _known(unit: Unit, sheet: ResourceSheet, rows: Sequence[Given], *, dry: bool) -> Known:
    """Items of rows, and what there is of their numbers."""
    model = sheet.model
    known = Known(await exchange.externals(unit, sheet.kind, "", [row.external_id for row in rows]))
    known.named = await sheets_items.named(unit, [row.cells["item"] for row in rows])
    items = sorted({item.name for item in known.named.values()})
    words = sorted({lot_numbers.normal(row.cells["number"]) for row in rows})
    ids = [
        f"{known.named[row.cells['item']].name}/{model.COLLECTION}/{row.cells['id']}"
        for row in rows
        if row.cells.get("id") and row.cells["item"] in known.named
    ]
    names = [*ids, *(name for name, _ in known.externals.by_id.values())]
    mine = model.item.in_(items) & model.number.in_(words)
    known.by_name = await resources(unit, model, names, mine, lock=not dry)
    known.by_key = {(row.item, row.number): row for row in known.by_name.values()}
    known.externals.by_name = (await exchange.externals(unit, sheet.kind, "", (), list(known.by_name))).by_name
    return known


async def numbers(unit: Unit, names: Sequence[str]) -> dict[str, str]:
    """Lot -> its number."""
    rows = await unit.execute(select(Lot.name, Lot.number).where(Lot.name.in_(sorted(set(names)))))  # type: ignore[call-overload, attr-defined]
    return {row.name: row.number for row in rows}


async def _taken(unit: Unit, rows: Sequence[Given]) -> dict[str, tuple[str, str]]:
    """Number -> the item and serial that has it, where numbers are unique over all items."""
    if not options(unit).unique_serials:
        return {}
    words = sorted({lot_numbers.normal(row.cells["number"]) for row in rows})
    found = await unit.execute(
        select(Serial.number, Serial.item, Serial.name).where(Serial.number.in_(words))  # type: ignore[call-overload, attr-defined]
    )
    return {row.number: (row.item, row.name) for row in found}
