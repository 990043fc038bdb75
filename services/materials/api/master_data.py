"""Items, lots and locations."""

from typing import Any

from sqlalchemy import select, text

from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import values_for
from services.materials.model import location as locations
from services.materials.model.item import Item, site_fact
from services.materials.model.location import Location
from services.materials.model.lot import Lot
from services.materials.model.movement import Entry
from services.materials.rules import lot_numbers


class HasMoved(FailedPrecondition):
    """Unit and tracking are fixed once stock has moved (MAT-10)."""

    text = "{item} has movements; its conversions may be added to but not changed."


_GTINS = text("select pg_advisory_xact_lock(hashtext('materials.item.gtins'))")


class ItemService:
    """What is stored."""

    async def get_item(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Item, request.name)

    async def list_items(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Item, request)

    async def create_item(self, request: Any, unit: Unit) -> Any:
        name = unit.new_name("", Item.COLLECTION, request.item_id)
        item = Item(name=name, **values_for(Item, request.item)).checked()
        await _free_gtins(unit, item)
        unit.emit(unit.add(item).told())
        return item

    async def update_item(self, request: Any, unit: Unit) -> Any:
        item = await unit.get(Item, request.item.name, etag=request.item.etag)
        before = item.factors()
        unit.update(item, request.item, request.update_mask)
        item.checked()
        after = item.factors()
        if any(after.get(code) != factor for code, factor in before.items()):
            moved = await unit.first(select(Entry.movement).where(Entry.item == item.name).limit(1))  # type: ignore[call-overload]
            if moved is not None:
                raise HasMoved(item=item.name)
        await _free_gtins(unit, item)
        unit.emit(item.told())
        return item


async def _free_gtins(unit: Unit, item: Item) -> None:
    """A GTIN stands for one item; whoever gives one waits for the others who do."""
    if not item.gtins:
        return
    await unit.execute(_GTINS)
    other = await unit.first(
        select(Item.name).where(Item.gtins.overlap(item.gtins), Item.name != item.name).limit(1)  # type: ignore[attr-defined, call-overload]
    )
    if other is not None:
        raise FieldInvalid(field="item.gtins", rule=f"belong to {other} already", value=item.gtins)


class LotService:
    """Lots of items."""

    async def get_lot(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Lot, request.name)

    async def list_lots(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Lot, request, parent_column=Lot.item)

    async def create_lot(self, request: Any, unit: Unit) -> Any:
        item = await unit.get(Item, request.parent, lock=False)
        name = unit.new_name(item.name, Lot.COLLECTION, request.lot_id)
        lot = Lot(name=name, item=item.name, **values_for(Lot, request.lot))
        lot.number = lot_numbers.normal(lot.number)
        return unit.add(lot)


class LocationService:
    """Places of a plant."""

    async def get_location(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Location, request.name)

    async def list_locations(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Location, request)

    async def create_location(self, request: Any, unit: Unit) -> Any:
        await site_fact(unit, request.parent.split("/")[1])
        name = unit.new_name(request.parent, Location.COLLECTION, request.location_id)
        location = Location(name=name, site=request.parent.split("/")[1], **values_for(Location, request.location))
        if location.virtual:
            rule = "may not be a virtual one; these come with the site"
            raise FieldInvalid(field="location.kind", rule=rule, value=location.kind)
        await locations.settle(unit, location)
        return unit.add(location)

    async def update_location(self, request: Any, unit: Unit) -> Any:
        location = await unit.get(Location, request.location.name, etag=request.location.etag)
        unit.update(location, request.location, request.update_mask)
        await locations.settle(unit, location, lock=True)
        return location
