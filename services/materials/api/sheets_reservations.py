"""Files of reservations: each row claims stock for a demand, once (MAT-70, MAT-321)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from plantops.materials.v1 import reservations_pb2
from sqlalchemy import or_, select, tuple_

from services.chassis.faults import Fault, FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of, python_of
from services.materials.api import sheets_items, sheets_lots, sheets_places
from services.materials.api.reserving import key_of, reserve
from services.materials.api.sheets_columns import Column, same
from services.materials.api.sheets_documents import DocumentSheet, item_of, last, place_of
from services.materials.model.exchange import Given, Kind, Outcome
from services.materials.model.item import Item
from services.materials.model.lot import Lot
from services.materials.model.reservation import Reservation
from services.materials.rules import lot_numbers


@dataclass(slots=True)
class _Entry:
    """A row as an entry of a batch of claims."""

    row: Given
    request: Any
    sheet: "ReservationSheet"

    def answer(self, made: Reservation) -> None:
        self.row.done(Outcome.CREATED, made.name)

    def refuse(self, fault: Fault) -> None:
        self.sheet.refuse(self.row, fault)


class ReservationSheet(DocumentSheet):
    """Reservations; known by work order and demand, or by the other system and its id."""

    kind, message, prefix = Kind.RESERVATIONS, reservations_pb2.ReserveRequest, ""
    columns = (
        *same("source_system", "external_id"), Column("id"), *same("work_order", "demand"), Column("item", "item"),
        Column("quantity", "quantity.value"), Column("unit", "quantity.unit_code"),
        *same("need_time", "priority", "delivery_location", "lot", "owner", "minimum_remaining_life_days"),
        Column("demand_kind", "demand_kind"), *same("allow_alternates"),
    )  # fmt: skip
    required = ("item", "quantity", "unit")
    permissions = ("materials.reservations.create",)

    def keys(self, cells: Mapping[str, str]) -> list[str]:
        said = [f"{cells.get(name, '')}" for name in ("source_system", "external_id", "work_order", "demand")]
        return ["\x1f".join(said)] if any(said) else [f"id {cells['id']}"] if cells.get("id") else []

    async def enter(self, unit: Unit, site: str, asked: Sequence[tuple[Given, Any]]) -> None:
        items = await sheets_items.named(unit, [given.item for _, given in asked])
        places = await sheets_places.named(unit, site, [given.delivery_location for _, given in asked])
        lots = await _lots(unit, items, asked)
        wanted = []
        for row, given in asked:
            try:
                given.parent = f"sites/{site}"
                given.item = item_of(items, given.item, "item")
                given.delivery_location = place_of(places, given.delivery_location, "delivery_location")
                given.lot = _lot(lots, given)
                given.request_id = _ANY
                self.checked(given)
                wanted.append((row, given))
            except Fault as fault:
                self.refuse(row, fault)
        by_id, by_key = await _there(unit, site, wanted)
        named = {item.name: item for item in items.values()}
        new = []
        for row, given in wanted:
            try:
                there = by_key.get(key_of(given) or ("", ""), by_id.get(row.cells.get("id", "")))
                if there is None:
                    new.append(_Entry(row, given, self))
                else:
                    self.same(row, there.name, _said(there, row), _asks(given, row, named))
            except Fault as fault:
                self.refuse(row, fault)
        if new:
            await reserve(unit, SimpleNamespace(parent=f"sites/{site}"), new)

    async def order(self, unit: Unit, site: str) -> list[str]:
        columns: Any = Reservation
        return list(
            await unit.all(
                select(columns.name).where(columns.site == site, columns.substitutes == "").order_by(columns.name)
            )
        )

    async def pages(self, unit: Unit, site: str, names: Sequence[str]) -> list[dict[str, str]]:
        rows = await unit.get_many(Reservation, names, lock=False)
        numbers = await sheets_items.numbers(unit, [row.item for row in rows.values()])
        lots = await sheets_lots.numbers(unit, [row.lot for row in rows.values() if row.lot])
        found = []
        for name in names:
            row = rows[name]
            given = reservations_pb2.ReserveRequest(
                work_order=row.work_order, demand="" if row.external_id else row.demand,
                source_system=row.source_system, external_id=row.external_id, item=numbers.get(row.item, row.item),
                priority=row.priority, delivery_location=last(row.delivery_location),
                lot=lots.get(row.lot, ""), owner=row.owner, demand_kind=row.demand_kind,
                minimum_remaining_life_days=row.minimum_remaining_life_days, allow_alternates=row.allow_alternates,
            )  # fmt: skip
            given.quantity.value, given.quantity.unit_code = canonical(_whole(row)), row.unit_code
            if row.need_time is not None:
                given.need_time.FromDatetime(row.need_time)
            found.append(self.cells(given) | {"id": row.id})
        return found


_ANY = "00000000-0000-4000-8000-000000000000"
"""A key that the contract asks for; the import has one of its own."""


def _whole(row: Reservation) -> Any:
    """What was asked for; what went out beyond it is not."""
    return row.requested - row.over_issued


def _said(row: Reservation, given: Given) -> dict[str, Any]:
    """What is so, of what a row says."""
    found = {
        "item": row.item, "quantity": _whole(row), "need_time": row.need_time, "priority": row.priority,
        "delivery_location": row.delivery_location, "lot": row.lot, "owner": row.owner,
        "minimum_remaining_life_days": row.minimum_remaining_life_days, "demand_kind": row.demand_kind,
        "work_order": row.work_order, "allow_alternates": row.allow_alternates,
    }  # fmt: skip
    return {name: value for name, value in found.items() if name == "quantity" or given.cells.get(name)}


def _asks(message: Any, given: Given, items: Mapping[str, Item]) -> dict[str, Any]:
    """What a row asks for, in base units."""
    said = message.quantity
    found = {
        "item": message.item,
        "quantity": items[message.item].demanded(decimal_of(said.value, "quantity.value"), said.unit_code, "quantity"),
        "need_time": python_of(message.need_time) if message.HasField("need_time") else None,
        "priority": message.priority, "delivery_location": message.delivery_location, "lot": message.lot,
        "owner": message.owner, "minimum_remaining_life_days": message.minimum_remaining_life_days,
        "demand_kind": message.demand_kind, "work_order": message.work_order,
        "allow_alternates": message.allow_alternates,
    }  # fmt: skip
    return {name: value for name, value in found.items() if name == "quantity" or given.cells.get(name)}


async def _lots(
    unit: Unit, items: Mapping[str, Item], asked: Sequence[tuple[Given, Any]]
) -> dict[tuple[str, str], str]:  # fmt: skip
    """(item, word of the file) -> lot, by number or name."""
    words = sorted({lot_numbers.normal(given.lot) for _, given in asked if given.lot})
    if not words:
        return {}
    columns: Any = Lot
    rows = await unit.execute(
        select(columns.name, columns.item, columns.number).where(
            columns.item.in_(sorted({item.name for item in items.values()})),
            or_(columns.number.in_(words), columns.name.in_(words)),
        )
    )
    return {(row.item, word): row.name for row in rows for word in (row.number, row.name)}


def _lot(lots: Mapping[tuple[str, str], str], given: Any) -> str:
    word = lot_numbers.normal(given.lot)
    if word and (given.item, word) not in lots:
        raise FieldInvalid(field="lot", rule="must be the number of a lot of the item", value=word)
    return lots[given.item, word] if word else ""


async def _there(
    unit: Unit, site: str, asked: Sequence[tuple[Given, Any]]
) -> tuple[dict[str, Reservation], dict[tuple[str, str], Reservation]]:
    """Reservations that rows are about: by id, and by what their demands are known by."""
    columns: Any = Reservation
    home = f"sites/{site}/{Reservation.COLLECTION}/"
    names = sorted({home + row.cells["id"] for row, _ in asked if row.cells.get("id")})
    keys = sorted({key for _, given in asked if (key := key_of(given)) is not None})
    of_demand = tuple_(columns.work_order, columns.demand).in_(keys)
    rows = await unit.all(
        select(Reservation).where(columns.site == site, or_(columns.name.in_(names), of_demand)).order_by(columns.name)
    )
    return {row.id: row for row in rows}, {(row.work_order, row.demand): row for row in rows}
