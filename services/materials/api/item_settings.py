"""Settings of items at a site."""

from typing import Any

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import values_for
from services.materials.model import layers
from services.materials.model.item import Item, site_fact
from services.materials.model.item_settings import ItemSettings
from services.materials.model.location import Kind, Location


class ItemSettingsService:
    """What a plant demands of an item."""

    async def get_item_settings(self, request: Any, unit: Unit) -> Any:
        return await unit.get(ItemSettings, request.name)

    async def list_item_settings(self, request: Any, unit: Unit) -> Any:
        return await unit.list(ItemSettings, request)

    async def create_item_settings(self, request: Any, unit: Unit) -> Any:
        await site_fact(unit, request.parent.split("/")[1])
        item = await unit.find(Item, f"{Item.COLLECTION}/{request.item_settings_id}", lock=False)
        if item is None:
            rule = "must be the last part of an item's name"
            raise FieldInvalid(field="item_settings_id", rule=rule, value=request.item_settings_id)
        name = unit.new_name(request.parent, ItemSettings.COLLECTION, request.item_settings_id)
        row = ItemSettings(name=name, item=item.name, **values_for(ItemSettings, request.item_settings))
        await _check_place(unit, request.parent.split("/")[1], row.fixed_location)
        row = unit.add(row.checked())
        await layers.value_by(unit, row.site or "", row.item, row.valuation_method)
        return row

    async def update_item_settings(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(ItemSettings, request.item_settings.name, etag=request.item_settings.etag)
        unit.update(row, request.item_settings, request.update_mask).checked()
        await _check_place(unit, row.site or "", row.fixed_location)
        await layers.value_by(unit, row.site or "", row.item, row.valuation_method)
        return row


async def _check_place(unit: Unit, site: str, name: str) -> None:
    """A place of its own is one of the site that goods are stored at."""
    place = await unit.find(Location, name, lock=False) if name else None
    if name and (place is None or place.site != site or place.kind is not Kind.STORAGE):
        raise FieldInvalid(field="item_settings.fixed_location", rule="must be a storage place of the site", value=name)
