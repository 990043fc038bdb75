"""Handling units: made with their SSCC, packed, nested, closed, moved with all that is inside, taken out of use."""

from typing import Any

from plantops.materials.v1 import handling_units_pb2

from services.chassis.faults import FieldInvalid, TransitionNotAllowed
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, fill
from services.materials.api.packing import made, packed, shown, unpacked
from services.materials.model import content, handling_unit, holding
from services.materials.model.handling_unit import (
    HandlingUnit,
    HandlingUnitGone,
    HandlingUnitNested,
    HandlingUnitType,
    State,
)
from services.materials.model.location import Location


class HandlingUnitService:
    """Pallets, boxes and totes, each in one place."""

    async def get_handling_unit(self, request: Any, unit: Unit) -> Any:
        return await shown(unit, await unit.get(HandlingUnit, request.name))

    async def list_handling_units(self, request: Any, unit: Unit) -> Any:
        return await unit.list(HandlingUnit, request)

    async def batch_create_handling_units(self, request: Any, unit: Unit) -> Any:
        batch = await unit.batch(request.requests)
        await made(unit, request, batch.open)
        return batch.response(handling_units_pb2.BatchCreateHandlingUnitsResponse)

    async def pack_handling_unit(self, request: Any, unit: Unit) -> Any:
        movement, reservations = await packed(unit, request)
        return handling_units_pb2.PackHandlingUnitResponse(
            handling_unit=await _read(unit, request.name), movement=movement, reservations=reservations
        )

    async def unpack_handling_unit(self, request: Any, unit: Unit) -> Any:
        movement, reservations = await unpacked(unit, request)
        return handling_units_pb2.UnpackHandlingUnitResponse(
            handling_unit=await _read(unit, request.name), movement=movement, reservations=reservations
        )

    async def nest_handling_unit(self, request: Any, unit: Unit) -> Any:
        await handling_unit.hold(unit, [request.name, request.parent_handling_unit])
        row = await unit.get(HandlingUnit, request.name, etag=request.etag)
        if request.parent_handling_unit.split("/")[:2] != request.name.split("/")[:2]:
            rule = "must be a handling unit of the same site"
            raise FieldInvalid(field="parent_handling_unit", rule=rule, value=request.parent_handling_unit)
        outer = await unit.get(HandlingUnit, request.parent_handling_unit)
        path = (await handling_unit.paths(unit, [outer.name]))[outer.name]
        await holding.refuse_regrouped(unit, row.site or "", path.around)
        handling_unit.nest(row, outer, path, await handling_unit.inside(unit, row.name))
        return row

    async def unnest_handling_unit(self, request: Any, unit: Unit) -> Any:
        await handling_unit.hold(unit, [request.name])
        row = await unit.get(HandlingUnit, request.name, etag=request.etag)
        if not row.parent_handling_unit:
            raise FieldInvalid(field="name", rule="is in no other unit", value=row.name)
        path = (await handling_unit.paths(unit, [row.parent_handling_unit]))[row.parent_handling_unit]
        await holding.refuse_regrouped(unit, row.site or "", path.around)
        row.put_at(path.opened().place)
        return row

    async def close_handling_unit(self, request: Any, unit: Unit) -> Any:
        await handling_unit.hold(unit, [request.name])
        row = await unit.get(HandlingUnit, request.name, etag=request.etag)
        row.close()
        if request.HasField("gross_weight"):
            kind = await unit.get(HandlingUnitType, row.handling_unit_type, lock=False)
            weight = decimal_of(request.gross_weight.value, "gross_weight.value")
            row.weigh(weight, request.gross_weight.unit_code, kind)
        return row

    async def reopen_handling_unit(self, request: Any, unit: Unit) -> Any:
        await handling_unit.hold(unit, [request.name])
        row = await unit.get(HandlingUnit, request.name, etag=request.etag)
        if row.state is State.SHIPPED:  # it comes back by a receipt, which says where it stands
            raise HandlingUnitGone(handling_unit=row.name, state=row.state.value)
        row.open()
        return row

    async def move_handling_unit(self, request: Any, unit: Unit) -> Any:
        taken_up = await content.take_up(unit, request.name, etag=request.etag)
        row = taken_up.row
        place = await unit.find(Location, request.location, lock=False)
        if place is None or place.site != row.site or place.virtual:
            raise FieldInvalid(field="location", rule="must be a place of the site", value=request.location)
        place.usable()
        if row.state in (State.SHIPPED, State.RETIRED):
            raise HandlingUnitGone(handling_unit=row.name, state=row.state.value)
        if row.parent_handling_unit:
            if not request.detach:
                raise HandlingUnitNested(handling_unit=row.name, outer=row.parent_handling_unit)
            path = (await handling_unit.paths(unit, [row.parent_handling_unit]))[row.parent_handling_unit].opened()
            await holding.refuse_regrouped(unit, row.site or "", path.around)
        if taken_up.place == place.name:
            raise FieldInvalid(field="location", rule="must differ from where it stands", value=place.name)
        movement, reservations = await content.move(unit, taken_up, place)
        return handling_units_pb2.MoveHandlingUnitResponse(
            handling_unit=await _read(unit, row.name), movement=movement, reservations=reservations
        )

    async def readmit_handling_unit(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(HandlingUnit, request.name, etag=request.etag)
        place = await unit.find(Location, request.location, lock=False)
        if place is None or place.site != row.site or place.virtual:
            raise FieldInvalid(field="location", rule="must be a place of the site", value=request.location)
        if row.state is not State.SHIPPED:
            allowed = "reading" if row.state is State.RETIRED else "moving"
            raise TransitionNotAllowed(resource=row.name, state=row.state.value, allowed=allowed, wanted="OPEN")
        row.come_back(place.usable().name)
        return row

    async def retire_handling_unit(self, request: Any, unit: Unit) -> Any:
        await handling_unit.hold(unit, [request.name])
        row = await unit.get(HandlingUnit, request.name, etag=request.etag)
        if row.parent_handling_unit:
            raise HandlingUnitNested(handling_unit=row.name, outer=row.parent_handling_unit)
        kind = await unit.get(HandlingUnitType, row.handling_unit_type, lock=False)
        row.retire(pooled=kind.reusable and not request.permanent)
        await content.refuse_filled(unit, row)
        return row


async def _read(unit: Unit, name: str) -> Any:
    await unit.flush()
    return fill(handling_units_pb2.HandlingUnit(), await unit.get(HandlingUnit, name, lock=False))
