"""Kinds of pallets, boxes and totes."""

from typing import Any

from services.chassis.unit import Unit
from services.chassis.wire import values_for
from services.materials.model.handling_unit import HandlingUnitType


class HandlingUnitTypeService:
    """What handling units are made of."""

    async def get_handling_unit_type(self, request: Any, unit: Unit) -> Any:
        return await unit.get(HandlingUnitType, request.name)

    async def list_handling_unit_types(self, request: Any, unit: Unit) -> Any:
        return await unit.list(HandlingUnitType, request)

    async def create_handling_unit_type(self, request: Any, unit: Unit) -> Any:
        name = unit.new_name("", HandlingUnitType.COLLECTION, request.handling_unit_type_id)
        kind = HandlingUnitType(name=name, **values_for(HandlingUnitType, request.handling_unit_type))
        return unit.add(kind.checked())

    async def update_handling_unit_type(self, request: Any, unit: Unit) -> Any:
        given = request.handling_unit_type
        kind = await unit.get(HandlingUnitType, given.name, etag=given.etag)
        return unit.update(kind, given, request.update_mask).checked()
