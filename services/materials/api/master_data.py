"""Locations of a plant."""

from typing import Any

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import values_for
from services.materials.model import location as locations
from services.materials.model.item import site_fact
from services.materials.model.location import Location


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
