"""Files of places and of kinds of handling units."""

from collections.abc import Mapping, Sequence
from typing import Any

from plantops.materials.v1 import handling_unit_types_pb2, locations_pb2
from sqlalchemy import select, text

from services.chassis.faults import Cycle, FieldInvalid
from services.chassis.unit import Unit
from services.materials.api.sheets import Known, ResourceSheet, resources
from services.materials.api.sheets_columns import Column, measure, same
from services.materials.model import capacity, exchange
from services.materials.model import location as locations
from services.materials.model.exchange import Given, Kind
from services.materials.model.handling_unit import HandlingUnitType
from services.materials.model.item import Item
from services.materials.model.location import Location

_ABOVE = text("""
    with recursive way (name, parent_location, kind) as (
      select name, parent_location, kind from location where name = any(cast(:names as text[]))
      union
      select l.name, l.parent_location, l.kind from way w join location l on l.name = w.parent_location
    )
    select name, parent_location, kind from way
""")

_ORDER = text("""
    with recursive tree (name, depth) as (
      select name, 0 from location where site = :site and parent_location is null and kind = any(cast(:kinds as text[]))
      union all
      select l.name, t.depth + 1 from tree t join location l on l.parent_location = t.name
    )
    select name from tree order by depth, name
""")


async def named(unit: Unit, site: str, words: Sequence[str]) -> dict[str, Location]:
    """Word of a file -> place of the site, by id, by name or by external id."""
    wanted = sorted({word for word in words if word})
    home = f"sites/{site}/{Location.COLLECTION}/"
    names = {word: word if word.startswith(home) else home + word for word in wanted}
    externals = await exchange.externals(unit, Kind.LOCATIONS, site, wanted)
    rows = await resources(unit, Location, [*names.values(), *(name for name, _ in externals.by_id.values())])
    found = {external: rows[name] for external, (name, _) in externals.by_id.items() if name in rows}
    return found | {word: rows[name] for word, name in names.items() if name in rows}


class LocationSheet(ResourceSheet):
    """Places; what they are known by is their id, or the external id."""

    kind, model, message, prefix = Kind.LOCATIONS, Location, locations_pb2.Location, "location."
    columns = (
        Column("external_id"), Column("id"), *same("title", "kind"), Column("parent", "parent_location"),
        *same("path_order", "check_code", "blocked", "quality_area", "limits"),
    )  # fmt: skip
    required = ("title", "kind")
    permissions = ("materials.locations.create", "materials.locations.update")

    def keys(self, cells: Mapping[str, str]) -> list[str]:
        return [f"id {cells['id']}"] if cells.get("id") else []

    async def known(self, unit: Unit, site: str, rows: Sequence[Given], *, dry: bool) -> Known:
        if not dry and any("limits" in row.cells or "parent" in row.cells for row in rows):
            await locations.still(unit, site)
        ids = [f"sites/{site}/{Location.COLLECTION}/{row.cells['id']}" for row in rows if row.cells.get("id")]
        known = Known(await exchange.externals(unit, self.kind, site, [row.external_id for row in rows]))
        names = [*ids, *(name for name, _ in known.externals.by_id.values())]
        known.by_name = await resources(unit, Location, names, lock=not dry)
        known.by_key = {row.id: row for row in known.by_name.values()}
        back = await exchange.externals(unit, self.kind, site, (), list(known.by_name))
        known.externals.by_name = back.by_name
        known.named = await named(unit, site, [row.cells.get("parent", "") for row in rows])
        known.more["above"] = await _above(unit, [*known.by_name, *(row.name for row in known.named.values())])
        limited = [row for row in rows if row.cells.get("limits")]
        known.more["units"] = await _base_units(unit) if limited else {}
        known.more["site"] = site
        return known

    def natural(self, row: Given, known: Known) -> Any:
        return row.cells.get("id") or None

    def parent(self, site: str, row: Given, known: Known) -> str:
        return f"sites/{site}"

    def fill(self, message: Any, row: Given, known: Known) -> None:
        word = row.cells.get("parent", "")
        if not word:
            return
        place = known.named.get(word)
        if place is None and word in known.more.get("made", {}):
            message.parent_location = known.more["made"][word]
        elif place is not None:
            message.parent_location = place.name
        elif {f"external {word}", f"id {word}"} & known.earlier:
            message.parent_location = f"sites/{known.more['site']}/{Location.COLLECTION}/{word}"
            known.more["above"].setdefault(message.parent_location, (None, "GROUP"))
        else:
            raise FieldInvalid(field="parent", rule="must be the id, name or external id of a place of the site")

    def new(self, unit: Unit, row: Given, made: Any, known: Known) -> None:
        if made.virtual:
            rule = "may not be a virtual one; these come with the site"
            raise FieldInvalid(field="kind", rule=rule, value=made.kind)
        self._settled(made.checked(), known)
        known.more.setdefault("made", {}).update({word: made.name for word in (made.id, row.external_id) if word})

    def before(self, made: Any) -> dict[str, Any]:
        return {"code": made.check_code}

    def changed(self, unit: Unit, row: Given, made: Any, before: Mapping[str, Any], known: Known) -> None:
        self._settled(made.checked(before["code"]), known)

    def _settled(self, made: Location, known: Known) -> None:
        """A parent that is a group of the site and not below the place itself; limits of known items."""
        made.limits = capacity.checked_limits(made.limits, known.more["units"])
        made.parent_location = made.parent_location or None
        above: dict[str, tuple[str | None, str]] = known.more["above"]
        path, at = [made.name], made.parent_location
        while at is not None:
            path.append(at)
            if at == made.name:
                raise Cycle(path=" -> ".join(path)).at("location.parent_location")
            parent, kind = above.get(at, (None, ""))
            if kind != "GROUP":
                raise FieldInvalid(field="location.parent_location", rule="must be of kind GROUP", value=at)
            at = parent
        above[made.name] = (made.parent_location, str(made.kind.value))

    async def order(self, unit: Unit, site: str) -> list[str]:
        kinds = sorted(set(locations.Kind) - locations.VIRTUAL)
        return list((await unit.execute(_ORDER, {"site": site, "kinds": kinds})).scalars())

    def shown(self, made: Any, known: Known) -> dict[str, str]:
        return {"parent": (made.parent_location or "").rsplit("/", 1)[-1]}


async def _above(unit: Unit, names: Sequence[str]) -> dict[str, tuple[str | None, str]]:
    """Place -> what it lies in and its kind, for places and all above them."""
    rows = await unit.execute(_ABOVE, {"names": sorted(set(names))})
    return {row.name: (row.parent_location, row.kind) for row in rows}


async def _base_units(unit: Unit) -> dict[str, str]:
    """Item -> its base unit."""
    rows = await unit.execute(select(Item.name, Item.base_unit_code))  # type: ignore[call-overload]
    return {row.name: row.base_unit_code for row in rows}


class HandlingUnitTypeSheet(ResourceSheet):
    """Kinds of pallets, boxes and totes; what they are known by is their id, or the external id."""

    kind, flat, model = Kind.HANDLING_UNIT_TYPES, True, HandlingUnitType
    message, prefix = handling_unit_types_pb2.HandlingUnitType, "handling_unit_type."
    columns = (
        Column("external_id"), Column("id"), *same("title", "reusable", "grai"), *measure("tare_weight"),
        *measure("max_weight"), *measure("max_volume"), *measure("outer_volume"),
    )  # fmt: skip
    required = ("title",)
    permissions = ("materials.handlingUnitTypes.create", "materials.handlingUnitTypes.update")

    def keys(self, cells: Mapping[str, str]) -> list[str]:
        found = [f"id {cells['id']}"] if cells.get("id") else []
        return found + ([f"grai {cells['grai']}"] if cells.get("grai") else [])

    async def known(self, unit: Unit, site: str, rows: Sequence[Given], *, dry: bool) -> Known:
        known = Known(await exchange.externals(unit, self.kind, "", [row.external_id for row in rows]))
        ids = [f"{HandlingUnitType.COLLECTION}/{row.cells['id']}" for row in rows if row.cells.get("id")]
        codes = [row.cells["grai"] for row in rows if row.cells.get("grai")]
        known.by_name = await resources(
            unit, HandlingUnitType, [*ids, *(name for name, _ in known.externals.by_id.values())],
            HandlingUnitType.grai.in_(codes), lock=not dry,  # type: ignore[attr-defined]
        )  # fmt: skip
        known.by_key = {row.id: row for row in known.by_name.values()}
        known.more["grai"] = {row.grai: row.name for row in known.by_name.values() if row.grai}
        known.externals.by_name = (await exchange.externals(unit, self.kind, "", (), list(known.by_name))).by_name
        return known

    def natural(self, row: Given, known: Known) -> Any:
        return row.cells.get("id") or None

    def parent(self, site: str, row: Given, known: Known) -> str:
        return ""

    def new(self, unit: Unit, row: Given, made: Any, known: Known) -> None:
        made.checked()
        holder = known.more["grai"].get(made.grai, made.name)
        if made.grai and holder != made.name:
            raise FieldInvalid(field="grai", rule=f"belongs to {holder} already", value=made.grai)

    def changed(self, unit: Unit, row: Given, made: Any, before: Mapping[str, Any], known: Known) -> None:
        self.new(unit, row, made, known)
