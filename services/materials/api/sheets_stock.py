"""Files of what is on hand: each row enters by an OPENING movement, once (MAT-321)."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from plantops.materials.v1 import movements_pb2
from sqlalchemy import and_, or_, select

from services.chassis.faults import AlreadyExists, Fault, FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of
from services.materials.api import sheets_items, sheets_lots, sheets_places
from services.materials.api.postings import APPROVE, Known
from services.materials.api.sheets import PAGE, Sheet, resources
from services.materials.api.sheets_columns import Column
from services.materials.model import exchange, late_facts, stock
from services.materials.model.exchange import Externals, Given, Kind, Outcome
from services.materials.model.handling_unit import HandlingUnit
from services.materials.model.item import Item
from services.materials.model.ledger import Posting
from services.materials.model.location import Location
from services.materials.model.lot import Lot, Serial
from services.materials.model.movement import THERE, Balance, MovementKind
from services.materials.rules import csv_cells, lot_numbers


class AlreadyImported(AlreadyExists):
    """The other system's row entered before, with other words; stock changes by movements (MAT-321)."""

    text = "{external_id} entered before by {movement}, with other content; stock changes by movements."


class StockDiffers(AlreadyExists):
    """There is something else than the row says; stock changes by movements, not by a file (MAT-321)."""

    text = "{balance} holds {on_hand}, the row says {said}; stock changes by movements."


@dataclass(slots=True)
class _Named:
    """Words of the file -> what they name."""

    items: Mapping[str, Item]
    places: Mapping[str, Location]
    lots: Mapping[tuple[str, str], str]
    serials: Mapping[tuple[str, str], str]
    units: Mapping[str, str]
    balances: Mapping[str, Balance]


class StockSheet(Sheet):
    """On hand by item, lot, serial, place, handling unit, status, owner and project."""

    kind = Kind.STOCK
    columns = (
        Column("external_id"), Column("item", "item"), Column("lot", "lot"), Column("serial", "serial"),
        Column("location", "to_location"), Column("handling_unit", "to_handling_unit"), Column("status", "to_status"),
        Column("owner"), Column("project"), Column("quantity", "quantity.value"), Column("unit", "quantity.unit_code"),
        Column("second_quantity", "second_quantity.value"), Column("second_unit", "second_quantity.unit_code"),
        Column("value"), Column("effective_time"),
    )  # fmt: skip
    required = ("item", "location", "quantity", "unit")
    permissions = (APPROVE,)

    def keys(self, cells: Mapping[str, str]) -> list[str]:
        return []

    async def judge(self, unit: Unit, site: str, rows: Sequence[Given], *, dry: bool, earlier: set[str]) -> None:
        left = [row for row in rows if not row.outcome]
        entered = await exchange.externals(unit, self.kind, site, [row.key for row in left])
        named = await _named(unit, site, left)
        asked: list[tuple[Given, Any]] = []
        for row in left:
            try:
                if (request := self._asked(row, site, entered, named)) is not None:
                    asked.append((row, request))
            except Fault as fault:
                row.refuse(self.column_of(fault, "movement."), fault.reason, fault.message)
        if not dry:
            await self._post(unit, site, asked)
            return
        try:
            async with unit.attempt():
                await self._post(unit, site, asked)
                raise _Undo
        except _Undo:
            pass

    def _asked(self, row: Given, site: str, entered: Externals, named: _Named) -> Any:
        """The request of a row that is not in yet."""
        if row.key in entered.by_id:
            movement, said = entered.by_id[row.key]
            if said != csv_cells.digest(row.cells):
                raise AlreadyImported(external_id=row.external_id, movement=movement).at("external_id")
            row.done(Outcome.UNCHANGED, movement)
            return None
        message = movements_pb2.Movement(kind=MovementKind.OPENING.value)
        item = _one(named.items, row, "item", "the number, name or external id of an item")
        message.item = item.name
        message.to_location = _one(named.places, row, "location", "the id, name or external id of a place").name
        for field, known in (("lot", named.lots), ("serial", named.serials)):
            if word := lot_numbers.normal(row.cells.get(field, "")):
                if (item.name, word) not in known:
                    raise FieldInvalid(field=field, rule=f"must be the number of a {field} of the item", value=word)
                setattr(message, field, known[item.name, word])
        if word := row.cells.get("handling_unit", ""):
            if word not in named.units:
                rule = "must be the number, SSCC or id of a handling unit of the site"
                raise FieldInvalid(field="handling_unit", rule=rule, value=word)
            message.to_handling_unit = named.units[word]
        for column in self.columns:
            if column.name in ("status", "quantity", "unit", "second_quantity", "second_unit"):
                self._put(column, message, row)
        if row.cells.get("effective_time"):
            try:
                message.effective_time.FromJsonString(row.cells["effective_time"])
            except ValueError:
                rule = "must be an instant such as 2026-01-31T06:00:00Z"
                raise FieldInvalid(field="effective_time", rule=rule, value=row.cells["effective_time"]) from None
        if (there := named.balances.get(row.external_id)) is not None:
            self._same(row, there, message, item)
            return None
        return movements_pb2.CreateMovementRequest(parent=f"sites/{site}", movement=message)

    def _put(self, column: Column, message: Any, row: Given) -> None:
        try:
            column.put(message, row.cells.get(column.name, ""))
        except csv_cells.CellInvalid as error:
            raise FieldInvalid(field=column.name, rule=str(error), value=row.cells[column.name]) from None

    def _same(self, row: Given, there: Balance, message: Any, item: Item) -> None:
        """A row that an export of this plant wrote: it says what there is, or is refused."""
        said = item.base(decimal_of(message.quantity.value, "quantity.value"), message.quantity.unit_code, "quantity")
        if (there.item, there.location, there.on_hand) != (item.name, message.to_location, said):
            shown = [f"{canonical(value)} {item.base_unit_code}" for value in (there.on_hand, said)]
            raise StockDiffers(balance=there.name, on_hand=shown[0], said=shown[1]).at("quantity")
        row.done(Outcome.UNCHANGED, there.name)

    async def _post(self, unit: Unit, site: str, asked: Sequence[tuple[Given, Any]]) -> None:
        known = await Known.of(unit, site, [request for _, request in asked])
        made: list[tuple[Given, Posting]] = []
        for row, request in asked:
            try:
                posting = known.posting(unit, request)
                self._complete(row, posting)
                made.append((row, posting))
            except Fault as fault:
                row.refuse(self.column_of(fault, "movement."), fault.reason, fault.message)
        postings = [posting for _, posting in made]
        await late_facts.post(unit, site, postings)
        await stock.follow(unit, site, postings)
        for row, posting in made:
            if posting.fault is not None:
                row.refuse(self.column_of(posting.fault, "movement."), posting.fault.reason, posting.fault.message)
            else:
                row.done(Outcome.CREATED, posting.name)
        links = [(row.key, row.resource, csv_cells.digest(row.cells)) for row, _ in made if row.resource]
        await exchange.link(unit, self.kind, site, links)

    def _complete(self, row: Given, posting: Posting) -> None:
        """Owner, project and value, which a movement by hand does not say."""
        owner, project = row.cells.get("owner", ""), row.cells.get("project", "")
        for line in posting.lines:
            line.from_owner = line.to_owner = owner
            line.from_project = line.to_project = project
        if row.cells.get("value"):
            value = decimal_of(row.cells["value"], "value", places=2)
            if value < 0 or owner:
                rule = "must be empty: it is not the company's" if owner else "must not be negative"
                raise FieldInvalid(field="value", rule=rule, value=value)
            posting.line.cost = value

    async def export(self, unit: Unit, site: str) -> AsyncIterator[list[dict[str, str]]]:
        after = ""
        while True:
            where = (Balance.site == site, Balance.virtual.is_(False), THERE, Balance.name > after)  # type: ignore[attr-defined]
            rows = await unit.all(select(Balance).where(*where).order_by(Balance.name).limit(PAGE))  # type: ignore[arg-type]
            if not rows:
                return
            after = rows[-1].name
            items = await sheets_items.numbers(unit, [row.item for row in rows])
            lots = await sheets_lots.numbers(unit, [row.lot for row in rows if row.lot])
            serials = await _serial_numbers(unit, [row.serial for row in rows if row.serial])
            yield [_cells(row, items, lots, serials) for row in rows]
            unit.session.expunge_all()


class _Undo(Exception):
    """A check leaves nothing behind."""


def _one(known: Mapping[str, Any], row: Given, column: str, rule: str) -> Any:
    found = known.get(row.cells.get(column, ""))
    if found is None:
        raise FieldInvalid(field=column, rule=f"must be {rule}", value=row.cells.get(column, ""))
    return found


def _cells(row: Balance, items: Mapping[str, str], lots: Mapping[str, str], serials: Mapping[str, str]) -> Any:
    second: Decimal | None = row.second_on_hand
    return {
        "external_id": row.name.rsplit("/", 1)[-1], "item": items[row.item], "lot": lots.get(row.lot, ""),
        "serial": serials.get(row.serial, ""), "location": row.location.rsplit("/", 1)[-1],
        "handling_unit": row.handling_unit.rsplit("/", 1)[-1], "status": row.status.value, "owner": row.owner,
        "project": row.project, "quantity": canonical(row.on_hand), "unit": row.unit_code,
        "second_quantity": canonical(second) if second is not None else "",
        "second_unit": row.second_on_hand_unit_code if second is not None else "", "value": "", "effective_time": "",
    }  # fmt: skip


async def _named(unit: Unit, site: str, rows: Sequence[Given]) -> _Named:
    """All that rows name, with a constant number of statements."""

    def words(column: str) -> list[str]:
        return sorted({word for row in rows if (word := row.cells.get(column, ""))})

    items = await sheets_items.named(unit, words("item"))
    names = sorted({item.name for item in items.values()})
    places = await sheets_places.named(unit, site, words("location"))
    home = f"sites/{site}/balances/"
    ids = [home + row.external_id for row in rows if row.external_id]
    balances = await unit.all(select(Balance).where(Balance.name.in_(ids)))  # type: ignore[attr-defined]
    return _Named(
        items, places,
        await _by_number(unit, Lot, names, words("lot")), await _by_number(unit, Serial, names, words("serial")),
        await _units(unit, site, words("handling_unit")),
        {row.name.rsplit("/", 1)[-1]: row for row in balances},
    )  # fmt: skip


async def _by_number(unit: Unit, model: Any, items: Sequence[str], words: Iterable[str]) -> dict[tuple[str, str], str]:
    wanted = [lot_numbers.normal(word) for word in words]
    if not wanted:
        return {}
    statement = select(model.name, model.item, model.number).where(model.item.in_(items), model.number.in_(wanted))
    return {(row.item, row.number): row.name for row in await unit.execute(statement)}


async def _units(unit: Unit, site: str, words: Sequence[str]) -> dict[str, str]:
    if not words:
        return {}
    home = f"sites/{site}/{HandlingUnit.COLLECTION}/"
    names = [word if word.startswith(home) else home + word for word in words]
    columns: Any = HandlingUnit
    mine = and_(columns.site == site, or_(columns.number.in_(words), columns.sscc.in_(words)))
    rows = await resources(unit, HandlingUnit, names, mine)
    return {word: row.name for row in rows.values() for word in (row.id, row.name, row.number, row.sscc) if word}


async def _serial_numbers(unit: Unit, names: Sequence[str]) -> dict[str, str]:
    statement = select(Serial.name, Serial.number).where(Serial.name.in_(sorted(set(names))))  # type: ignore[call-overload, attr-defined]
    return {row.name: row.number for row in await unit.execute(statement)}
