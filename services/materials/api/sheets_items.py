"""Files of items and of their settings at a site."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import Message
from plantops.materials.v1 import item_settings_pb2, items_pb2
from sqlalchemy import and_, select, text

from services.chassis.faults import Cycle, FieldInvalid
from services.chassis.unit import Unit
from services.materials.api.items import HasMoved, lock_alternates, lock_gtins, lock_stock
from services.materials.api.sheets import Known, ResourceSheet, resources
from services.materials.api.sheets_columns import Column, Packs, measure, same
from services.materials.api.sheets_places import named as places_named
from services.materials.model import exchange, layers
from services.materials.model.exchange import Given, Kind
from services.materials.model.item import Item
from services.materials.model.item_settings import ItemSettings
from services.materials.model.location import Kind as PlaceKind
from services.materials.rules import alternates, gtin

_NAMES = re.compile(r"items/[a-z0-9-]+")
_IN_USE = text("""
    select i.item, coalesce(
      (select 'movements' where exists (select 1 from value_balance where item = i.item and sequence > 0)),
      (select 'receipts' where exists (select 1 from receipt_line where item = i.item)),
      (select 'expected receipts' where exists (select 1 from expected_receipt where item = i.item)),
      (select 'reservations' where exists (select 1 from reservation where item = i.item)),
      (select 'a replenishment policy' where exists (select 1 from materials_policy where item = i.item))) as what
    from unnest(cast(:items as text[])) i(item)
""")
_OTHERS = text("""
    select name, jsonb_path_query_array(alternates, '$[*].item') as others from item where alternates <> '[]'
""")


async def named(unit: Unit, words: Sequence[str]) -> dict[str, Item]:
    """Word of a file -> item, by number, by name or by external id."""
    wanted = sorted({word for word in words if word})
    externals = await exchange.externals(unit, Kind.ITEMS, "", wanted)
    names = [*wanted, *(name for name, _ in externals.by_id.values())]
    rows = await resources(unit, Item, names, Item.number.in_(wanted))  # type: ignore[attr-defined]
    found = {external: rows[name] for external, (name, _) in externals.by_id.items() if name in rows}
    return found | rows | {row.number: row for row in rows.values()}


def one(row: Given, known: Known) -> Item:
    """The item that a row names in its column."""
    item: Item | None = known.named.get(row.cells.get("item", ""))
    if item is None:
        raise FieldInvalid(field="item", rule="must be the number, name or external id of an item")
    return item


async def numbers(unit: Unit, names: Sequence[str]) -> dict[str, str]:
    """Item -> its number."""
    statement = select(Item.name, Item.number).where(Item.name.in_(sorted(set(names))))  # type: ignore[call-overload, attr-defined]
    return {row.name: row.number for row in await unit.execute(statement)}


class ItemSheet(ResourceSheet):
    """Items; what they are known by is their number."""

    kind, flat, model, message, prefix = Kind.ITEMS, True, Item, items_pb2.Item, "item."
    columns = (
        Column("external_id"), Column("id"), *same("number", "title", "item_class"),
        Column("base_unit", "base_unit_code"), *same("base_step", "tracking", "rounding"),
        Packs("conversions", "conversions"), *same("gtins", "inspect_receipts", "standard_cost"),
        Column("standard_cost_currency", "standard_cost.currency_code"), *same("lot_merge_allowed"),
        *same("shelf_life_days", "minimum_remaining_life_days"), *measure("gross_weight"), *measure("volume"),
        *same("catch_weight", "alternates"),
    )  # fmt: skip
    required = ("number", "title", "base_unit", "tracking")
    permissions = ("materials.items.create", "materials.items.update")

    def keys(self, cells: Mapping[str, str]) -> list[str]:
        return [cells["number"]]

    async def known(self, unit: Unit, site: str, rows: Sequence[Given], *, dry: bool) -> Known:
        codes = sorted({code.zfill(14) for row in rows for code in row.cells.get("gtins", "").split("|") if code})
        chains = any(row.cells.get("alternates") for row in rows)
        if not dry:
            await (lock_gtins(unit) if codes else unit.flush())
            await (lock_alternates(unit) if chains else unit.flush())
        known = Known(await exchange.externals(unit, self.kind, "", [row.external_id for row in rows]))
        ids = [f"{Item.COLLECTION}/{row.cells['id']}" for row in rows if row.cells.get("id")]
        numbers_ = [row.cells["number"] for row in rows]
        known.by_name = await resources(
            unit, Item, [*ids, *(name for name, _ in known.externals.by_id.values())],
            Item.number.in_(numbers_), lock=not dry,  # type: ignore[attr-defined]
        )  # fmt: skip
        known.by_key = {row.number: row for row in known.by_name.values()}
        back = await exchange.externals(unit, self.kind, "", (), list(known.by_name))
        known.externals.by_name = back.by_name
        known.more["gtins"] = await _holders(unit, codes)
        known.more["others"] = await _chains(unit) if chains else {}
        known.more["items"] = await _there(unit, rows) if chains else set()
        known.more["kept"] = []
        return known

    def natural(self, row: Given, known: Known) -> Any:
        return row.cells["number"]

    def parent(self, site: str, row: Given, known: Known) -> str:
        return ""

    def before(self, made: Any) -> dict[str, Any]:
        return {"kept": made.kept_in, "alternates": made.alternates}

    def new(self, unit: Unit, row: Given, made: Any, known: Known) -> None:
        made.checked().measured()
        self._fits(row, made, [], known)

    def changed(self, unit: Unit, row: Given, made: Any, before: Mapping[str, Any], known: Known) -> None:
        made.checked().measured()
        holder = known.by_key.get(made.number)
        if holder is not None and holder is not made:
            raise FieldInvalid(field="number", rule=f"belongs to {holder.name} already", value=made.number)
        self._fits(row, made, before["alternates"], known)
        moved = [field for field, value in made.kept_in.items() if before["kept"][field] != value]
        if moved:
            known.more["kept"].append((row, made.name, moved[0]))

    def _fits(self, row: Given, made: Item, others: Any, known: Known) -> None:
        """GTINs that are free, and alternates that are items in a chain that does not come back."""
        for code in made.gtins:
            holder = known.more["gtins"].setdefault(code, made.name)
            if holder != made.name:
                raise FieldInvalid(field="gtins", rule=f"{code} belongs to {holder} already", value=made.gtins)
        if not made.alternates or made.alternates == others:
            return
        if (broken := alternates.broken(made.name, made.alternates)) is not None:
            raise FieldInvalid(field=f"alternates[{broken[0]}].{broken[1]}", rule=broken[2])
        chains: dict[str, list[str]] = known.more["others"]
        names = [entry["item"] for entry in made.alternates]
        if unknown := sorted(set(names) - known.more["items"] - set(known.by_name)):
            raise FieldInvalid(field="alternates", rule=f"{unknown[0]} is no item", value=unknown[0])
        if way := alternates.back(made.name, chains | {made.name: names}):
            raise Cycle(path=" -> ".join(way)).at("alternates")
        chains[made.name] = names

    async def held(self, unit: Unit, known: Known, *, dry: bool) -> None:
        kept = known.more["kept"]
        if not kept:
            return
        names = [name for _, name, _ in kept]
        if not dry:
            await lock_stock(unit, names)
        rows = await unit.execute(_IN_USE, {"items": names})
        used = {row.item: row.what for row in rows if row.what is not None}
        for row, name, field in kept:
            if name in used:
                fault = HasMoved(item=name, what=used[name], field=field).at(f"item.{field}")
                row.refuse(self.column_of(fault, self.prefix), fault.reason, fault.message)

    async def order(self, unit: Unit, site: str) -> list[str]:
        chains = await _chains(unit)
        names = await super().order(unit, site)
        return [name for name in names if name not in chains] + alternates.last_first(chains)

    def told(self, made: Any) -> Message:
        event: Message = made.told()
        return event


async def _holders(unit: Unit, codes: Sequence[str]) -> dict[str, str]:
    """GTIN -> the item that has it."""
    valid = [code for code in codes if gtin.valid(code)]
    if not valid:
        return {}
    statement = select(Item.name, Item.gtins).where(Item.gtins.overlap(valid))  # type: ignore[call-overload, attr-defined]
    return {code: row.name for row in await unit.execute(statement) for code in row.gtins}


async def _there(unit: Unit, rows: Sequence[Given]) -> set[str]:
    """Items that alternates name and that there are."""
    named_ = {name for row in rows for name in _NAMES.findall(row.cells.get("alternates", ""))}
    return set(await unit.all(select(Item.name).where(Item.name.in_(sorted(named_)))))  # type: ignore[call-overload, attr-defined]


async def _chains(unit: Unit) -> dict[str, list[str]]:
    """Item -> items that may stand in for it."""
    return {row.name: list(row.others) for row in await unit.execute(_OTHERS)}


class ItemSettingsSheet(ResourceSheet):
    """Settings of items at a site; one of each item."""

    kind, model, message, prefix = Kind.ITEM_SETTINGS, ItemSettings, item_settings_pb2.ItemSettings, "item_settings."
    columns = (
        Column("external_id"), Column("id"), Column("item"), *same("minimum_remaining_life_days"),
        Column("lot_number_prefix", "lot_number_rule.prefix"), Column("lot_number_length", "lot_number_rule.length"),
        Column("lot_number_digits", "lot_number_rule.digits"),
        Column("serial_number_prefix", "serial_number_rule.prefix"),
        Column("serial_number_length", "serial_number_rule.length"),
        Column("serial_number_digits", "serial_number_rule.digits"), *same("count_class", "fixed_location"),
        *same("storage_class", "over_issue_percent", "shortage", "valuation_method"),
    )  # fmt: skip
    required = ("item",)
    permissions = ("materials.itemSettings.create", "materials.itemSettings.update")

    def keys(self, cells: Mapping[str, str]) -> list[str]:
        return [cells["item"]]

    async def known(self, unit: Unit, site: str, rows: Sequence[Given], *, dry: bool) -> Known:
        known = Known(await exchange.externals(unit, self.kind, site, [row.external_id for row in rows]))
        known.named = await named(unit, [row.cells["item"] for row in rows])
        items = {item.name for item in known.named.values()}
        known.by_name = await resources(
            unit, ItemSettings, [name for name, _ in known.externals.by_id.values()],
            and_(ItemSettings.item.in_(sorted(items)), ItemSettings.site == site),  # type: ignore[attr-defined, arg-type]
            lock=not dry,
        )  # fmt: skip
        known.by_key = {row.item: row for row in known.by_name.values()}
        known.externals.by_name = (await exchange.externals(unit, self.kind, site, (), list(known.by_name))).by_name
        words = [row.cells.get("fixed_location", "") for row in rows]
        known.more["places"] = await places_named(unit, site, words) if any(words) else {}
        known.more["site"], known.more["valued"] = site, []
        return known

    def fill(self, message: Any, row: Given, known: Known) -> None:
        word = row.cells.get("fixed_location", "")
        if not word:
            return
        place = known.more["places"].get(word)
        if place is None or place.kind is not PlaceKind.STORAGE:
            rule = "must be the id, name or external id of a storage place of the site"
            raise FieldInvalid(field="fixed_location", rule=rule, value=word)
        message.fixed_location = place.name

    def natural(self, row: Given, known: Known) -> Any:
        item = one(row, known)
        given = row.cells.get("id", "")
        if given and given != item.id:
            raise FieldInvalid(field="id", rule=f"must be that of the item, {item.id}", value=given)
        return item.name

    def parent(self, site: str, row: Given, known: Known) -> str:
        return f"sites/{site}"

    def identifier(self, row: Given, known: Known) -> str:
        return one(row, known).id

    def new(self, unit: Unit, row: Given, made: Any, known: Known) -> None:
        made.item = one(row, known).name
        known.more["valued"].append((row, made.checked()))

    def changed(self, unit: Unit, row: Given, made: Any, before: Mapping[str, Any], known: Known) -> None:
        known.more["valued"].append((row, made.checked()))

    async def held(self, unit: Unit, known: Known, *, dry: bool) -> None:
        valued = known.more["valued"]
        methods = {made.item: made.valuation_method for _, made in valued}
        faults = await layers.value_each(unit, known.more["site"], methods, dry=dry)
        for row, made in valued:
            if (fault := faults.get(made.item)) is not None:
                row.refuse("valuation_method", fault.reason, fault.message)

    async def around(self, unit: Unit, site: str, rows: Sequence[Any]) -> Known:
        return Known(exchange.Externals(), named=await numbers(unit, [row.item for row in rows]))

    def shown(self, made: Any, known: Known) -> dict[str, str]:
        return {"item": known.named[made.item], "fixed_location": made.fixed_location.rpartition("/")[2]}
