"""Holds: placed by who sees a reason, released by somebody else."""

from typing import Any

from plantops.materials.v1 import holds_pb2

from services.chassis import access
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import fill, values_for
from services.materials.model import holding
from services.materials.model.handling_unit import HandlingUnit
from services.materials.model.hold import Hold, Scope
from services.materials.model.inspection import InspectionLot
from services.materials.model.item import Item, site_fact
from services.materials.model.location import Location
from services.materials.model.lot import Lot, Serial

_NAMED = {scope: scope.value.lower() for scope in Scope}
_OF_LOTS = (Scope.LOT, Scope.SUPPLIER)


class HoldService:
    """What may not be used until somebody else lets it go."""

    async def get_hold(self, request: Any, unit: Unit) -> Any:
        return await _shown(unit, await unit.get(Hold, request.name))

    async def list_holds(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Hold, request)

    async def create_hold(self, request: Any, unit: Unit) -> Any:
        await site_fact(unit, request.parent.split("/")[1])
        row = Hold(
            name=unit.new_name(request.parent, Hold.COLLECTION), person=unit.caller.name,
            **values_for(Hold, request.hold), scope=_scope(request.hold),
        )  # fmt: skip
        await _check(unit, request.parent, row)
        broken = await holding.place(unit, unit.add(row))
        row.broken_count = len({reservation for reservation, _ in broken})
        answer = await _shown(unit, row)
        for reservation, lost in broken:
            answer.broken_reservations.add(reservation=reservation, quantity=lost)
        return answer

    async def release_hold(self, request: Any, unit: Unit) -> Any:
        known = await unit.get(Hold, request.name, lock=False)
        groups = await holding.take_up(unit, known) if known.release_time is None else []
        row = await unit.get(Hold, request.name, etag=request.etag)
        row.release(unit.caller, request.reason, unit.now, await holding.finders(unit, row, groups))
        await holding.lift(unit, row, groups)
        return await _shown(unit, row)


async def _shown(unit: Unit, row: Hold) -> Any:
    await unit.flush()
    message = fill(holds_pb2.Hold(), row)
    targets, stocks = await holding.shown(unit, row)
    message.targets.extend(targets)
    for one in stocks:
        fill(message.stocks.add(), one)
    return message


def _scope(message: Any) -> Scope:
    """What kind of thing is named; exactly one."""
    named = [scope for scope, field in _NAMED.items() if getattr(message, field)]
    if len(named) != 1:
        rule = "exactly one of lot, serial, handling_unit, location, or item with supplier must be named"
        raise FieldInvalid(field="hold", rule=rule, value=[_NAMED[scope] for scope in named])
    return named[0]


async def _check(unit: Unit, parent: str, row: Hold) -> None:
    """FieldInvalid for what is not known here and what does not go together."""
    given = row.item
    if row.scope is Scope.LOT:
        row.item = _known(await unit.find(Lot, row.lot, lock=False), "lot", row.lot).item
    elif row.scope is Scope.SERIAL:
        row.item = _known(await unit.find(Serial, row.serial, lock=False), "serial", row.serial).item
    elif row.scope is Scope.SUPPLIER:
        _known(await unit.find(Item, row.item, lock=False), "item", row.item)
    elif row.scope is Scope.HANDLING_UNIT:
        _here(await unit.find(HandlingUnit, row.handling_unit, lock=False), parent, "handling_unit", row.handling_unit)
    else:
        await _places(unit, parent, "location", [row.location])
    if given and given != row.item:
        raise FieldInvalid(field="hold.item", rule="must be the item of what is named", value=given)
    if given and row.scope in (Scope.HANDLING_UNIT, Scope.LOCATION):
        raise FieldInvalid(field="hold.item", rule="must be empty: all that is there is held", value=given)
    if row.scope is not Scope.SUPPLIER and (row.from_date or row.to_date):
        raise FieldInvalid(field="hold.from_date", rule="is for a supplier's goods", value=row.from_date or row.to_date)
    if row.from_date and row.to_date and row.to_date < row.from_date:
        raise FieldInvalid(field="hold.to_date", rule="must not be before from_date", value=row.to_date)
    if row.include_descendants and row.scope not in _OF_LOTS:
        raise FieldInvalid(field="hold.include_descendants", rule="is for a lot or a supplier", value=row.scope)
    row.allowed_moves = sorted(set(row.allowed_moves))
    row.allowed_locations = sorted(set(row.allowed_locations))
    await _places(unit, parent, "allowed_locations", row.allowed_locations)
    if row.release_permission and not any(access.allows(role, row.release_permission) for role in access.roles()):
        rule = "must be a permission that a role holds"
        raise FieldInvalid(field="hold.release_permission", rule=rule, value=row.release_permission)
    if row.inspection_lot:
        found = await unit.find(InspectionLot, row.inspection_lot, lock=False)
        _here(found, parent, "inspection_lot", row.inspection_lot)


def _known(found: Any, field: str, name: str) -> Any:
    if found is None:
        raise FieldInvalid(field=f"hold.{field}", rule="must be known", value=name)
    return found


def _here(found: Any, parent: str, field: str, name: str) -> Any:
    if found is None or f"sites/{found.site}" != parent:
        raise FieldInvalid(field=f"hold.{field}", rule="must be of the site", value=name)
    return found


async def _places(unit: Unit, parent: str, field: str, names: list[str]) -> None:
    found = await unit.get_many(Location, names, lock=False)
    for name in names:
        if _here(found.get(name), parent, field, name).virtual:
            raise FieldInvalid(field=f"hold.{field}", rule="must be a place of the plant", value=name)
