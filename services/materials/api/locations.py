"""Places: made, locked, taken out of use, found for goods."""

import secrets
from typing import Any

from plantops.materials.v1 import locations_pb2
from sqlalchemy import select

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, enum_name, fill, python_of, values_for
from services.materials.model import breaking, capacity, handling_unit, holding, ledger, placing, stock
from services.materials.model import location as locations
from services.materials.model.item import Item, site_fact
from services.materials.model.location import Direction, Kind, Location
from services.materials.model.lot import Lot
from services.materials.model.movement import Balance, Status
from services.materials.model.placing import Wanted
from services.materials.rules import check_codes
from services.materials.rules.put_away import Fit

_FITS: dict[Fit, str] = {fit: fit.value for fit in Fit if fit is not Fit.OTHER}


class LocationService:
    """Places of a plant."""

    async def get_location(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Location, request.name)

    async def list_locations(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Location, request)

    async def create_location(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        await site_fact(unit, site)
        name = unit.new_name(request.parent, Location.COLLECTION, request.location_id)
        location = Location(name=name, site=site, **values_for(Location, request.location))
        if location.virtual or location.kind is Kind.WIP:
            rule = "may not be a virtual one or WIP; these come with the site and with production orders"
            raise FieldInvalid(field="location.kind", rule=rule, value=location.kind)
        if request.generate_check_code:
            if location.check_code:
                rule = "must be empty where one is to be generated"
                raise FieldInvalid(field="location.check_code", rule=rule, value=location.check_code)
            location.check_code = await _new_code(unit, site)
        await _limit(unit, location)
        await locations.settle(unit, location.checked())
        return unit.add(location)

    async def update_location(self, request: Any, unit: Unit) -> Any:
        if request.location.HasField("limits") or {"limits", "*"} & set(request.update_mask.paths):
            await locations.still(unit, request.location.name.split("/")[1])
        location = await unit.get(Location, request.location.name, etag=request.location.etag)
        code, limits, parent = location.check_code, location.limits, location.parent_location
        unit.update(location, request.location, request.update_mask)
        if location.limits != limits:
            await _limit(unit, location)
        await locations.settle(unit, location.checked(code), lock=True)
        await holding.refuse_replanted(unit, location.site or "", parent, location.parent_location)
        return location

    async def lock_location(self, request: Any, unit: Unit) -> Any:
        direction = _direction(request)
        location = await _alone(unit, request)
        location.lock(direction, request.reason, unit.caller.name, unit.now)
        _audit(unit, location, direction, request.reason)
        if direction is Direction.OUTBOUND:
            await breaking.break_at(unit, location.site or "", location.name, f"{location.name} lets nothing out")
        return location

    async def unlock_location(self, request: Any, unit: Unit) -> Any:
        direction, site = _direction(request), request.name.split("/")[1]
        items = await unit.all(
            select(Balance.item)  # type: ignore[call-overload]
            .where(Balance.site == site, Balance.location == request.name, Balance.on_hand > 0)
            .distinct()
        )
        await ledger.hold(unit, site, items)
        location = await unit.get(Location, request.name, etag=request.etag)
        _audit(unit, location, direction, None, location.real().unlock(direction).reason)
        await unit.flush()
        await stock.serve(unit, site, items)
        return location

    async def deactivate_location(self, request: Any, unit: Unit) -> Any:
        location = await _alone(unit, request)
        location.deactivate(request.reason, unit.caller.name, unit.now)
        await locations.refuse_in_use(unit, location)
        _audit(unit, location, Direction.INACTIVE, request.reason)
        return location

    async def reactivate_location(self, request: Any, unit: Unit) -> Any:
        location = await unit.get(Location, request.name, etag=request.etag)
        _audit(unit, location, Direction.INACTIVE, None, location.reactivate().reason)
        return location

    async def generate_check_code(self, request: Any, unit: Unit) -> Any:
        location = (await unit.get(Location, request.name, etag=request.etag)).real()
        location.check_code = await _new_code(unit, location.site or "")
        return location

    async def find_place(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        await site_fact(unit, site)
        item = await unit.find(Item, request.item, lock=False)
        if item is None:
            raise FieldInvalid(field="item", rule="must be an item", value=request.item)
        if request.lot and await _lot(unit, item, request.lot) is None:
            raise FieldInvalid(field="lot", rule="must be a lot of the item", value=request.lot)
        amount = item.base(decimal_of(request.quantity.value), request.quantity.unit_code, "quantity.value")
        if amount <= 0:
            raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
        around = (await handling_unit.paths(unit, [request.handling_unit])).get(request.handling_unit)
        if request.handling_unit and (around is None or not around.name.startswith(f"{request.parent}/")):
            rule = "must be a handling unit of the site"
            raise FieldInvalid(field="handling_unit", rule=rule, value=request.handling_unit)
        status = Status(enum_name(request, "status")) if request.status else Status.UNRESTRICTED
        wanted = Wanted.of(
            item, amount, lot=request.lot, owner=request.owner, status=status.value,
            around=around, from_location=request.from_location,
        )  # fmt: skip
        (found,) = await placing.find(unit, site, [wanted])
        answer = locations_pb2.FindPlaceResponse(
            weight_unknown=item.gross_weight is None, volume_unknown=item.volume is None, revision=found.revision
        )
        for name, fit in found.candidates[: placing.MOST]:
            answer.candidates.add(location=name, fit=_FITS.get(fit), step=found.steps[name].value)
        for name, fit, fault in found.passed_over[: placing.MOST]:
            refused = fault.status(unit.context.domain)
            answer.passed_over.add(location=name, fit=_FITS.get(fit), step=found.steps[name].value, refusal=refused)
        return answer

    async def get_location_tree(self, request: Any, unit: Unit) -> Any:
        at = python_of(request.as_of_time) if request.HasField("as_of_time") else unit.now
        answer = locations_pb2.LocationTree()
        for row in await locations.tree(unit, request.parent.split("/")[1], at):
            fill(answer.nodes.add(), row)
        return answer


async def _alone(unit: Unit, request: Any) -> Location:
    """A real place, while nothing is being posted at its site: what is refused from now on is not under way."""
    await locations.still(unit, request.name.split("/")[1])
    return (await unit.get(Location, request.name, etag=request.etag)).real()


def _direction(request: Any) -> Direction:
    direction = Direction(enum_name(request, "direction"))
    if direction is Direction.INACTIVE:
        raise FieldInvalid(field="direction", rule="is set by DeactivateLocation and ReactivateLocation")
    return direction


def _audit(unit: Unit, location: Location, direction: Direction, after: str | None, before: str | None = None) -> None:
    key = f"lock_{direction.lower()}"
    unit.audit(location.name, "", {key: before}, {key: after}, location.version + 1)


async def _limit(unit: Unit, location: Location) -> None:
    items = await unit.get_many(Item, capacity.items_in(location.limits), lock=False)
    location.limits = capacity.checked_limits(
        location.limits, {name: row.base_unit_code for name, row in items.items()}
    )


async def _lot(unit: Unit, item: Item, name: str) -> Lot | None:
    lot = await unit.find(Lot, name, lock=False)
    return lot if lot is not None and lot.item == item.name else None


async def _new_code(unit: Unit, site: str) -> str:
    """A check code that no other place of the site has."""
    while True:
        code = check_codes.code(secrets.randbelow(check_codes.COUNT))
        taken = select(Location.name).where(Location.site == site, Location.check_code == code)  # type: ignore[call-overload]
        if await unit.first(taken) is None:
            return code
