"""Claims of other systems, and what can be promised to them."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from plantops.materials.v1 import reservations_pb2
from sqlalchemy import select, tuple_

from services.chassis import access
from services.chassis.faults import AlreadyExists, Fault, FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import date_message, decimal_of, python_of, quantity, to_date
from services.materials.model import availability, stock, substituting
from services.materials.model.item import Item, SiteFact, site_fact
from services.materials.model.location import Location
from services.materials.model.lot import Lot
from services.materials.model.reservation import Reservation


class DemandExists(AlreadyExists):
    """A demand is claimed once."""

    text = "{reservation} claims {demand} already."


async def reserve(unit: Unit, request: Any, entries: Sequence[Any]) -> None:
    """New claims, each with its outcome; they take stock in their order, in a constant number of statements."""
    site = request.parent.split("/")[1]
    await site_fact(unit, site)
    given = [entry.request for entry in entries]
    allowed = [row.item for row in given if row.allow_alternates]
    alternates = await substituting.hold(unit, site, [row.item for row in given], allowed)
    items = await unit.get_many(Item, (row.item for row in given), lock=False)
    lots = await unit.get_many(Lot, (row.lot for row in given if row.lot), lock=False)
    places = await unit.get_many(
        Location, (row.delivery_location for row in given if row.delivery_location), lock=False
    )
    known = await _known(unit, [key for row in given if (key := key_of(row)) is not None])
    made: list[Reservation] = []
    for entry in entries:
        try:
            row = _claim(unit, request.parent, entry.request, items, lots, places, known)
        except Fault as fault:
            entry.refuse(fault)
            continue
        known[row.work_order, row.demand] = row.name
        made.append(unit.add(row))
        entry.answer(row)
    if made:
        await unit.flush()
        await stock.schedule(unit, site, made)
        await stock.claim_all(unit, site, made, alternates=alternates)


def key_of(row: Any) -> tuple[str, str] | None:
    """What a demand is known by: work order and demand, or the other system and its id."""
    if row.work_order and row.demand and not (row.source_system or row.external_id):
        return row.work_order, row.demand
    if row.source_system and row.external_id and not (row.work_order or row.demand):
        return "", f"{row.source_system}/{row.external_id}"
    return None


async def _known(unit: Unit, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    columns: Any = Reservation
    rows = await unit.execute(
        select(columns.work_order, columns.demand, columns.name).where(
            tuple_(columns.work_order, columns.demand).in_(list(keys))
        )
    )
    return {(row.work_order, row.demand): row.name for row in rows}


def _claim(
    unit: Unit, parent: str, row: Any, items: Any, lots: Any, places: Any, known: dict[tuple[str, str], str]
) -> Reservation:
    """The reservation of an entry; FieldInvalid or DemandExists instead of one that could not be served."""
    if row.parent != parent:
        raise FieldInvalid(field="parent", rule="must be that of the batch", value=row.parent)
    key = key_of(row)
    if key is None:
        rule = "must be work_order with demand, or source_system with external_id"
        raise FieldInvalid(field="demand", rule=rule, value=row.demand)
    if key in known:
        raise DemandExists(reservation=known[key], demand=" ".join(part for part in key if part))
    if key[0] and not key[0].startswith(f"{parent}/workOrders/"):
        raise FieldInvalid(field="work_order", rule="must be one of the site", value=row.work_order)
    item = items.get(row.item)
    if item is None:
        raise FieldInvalid(field="item", rule="must be an item", value=row.item)
    amount = item.demanded(decimal_of(row.quantity.value, "quantity.value"), row.quantity.unit_code, "quantity.value")
    if amount <= 0:
        raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=row.quantity.value)
    if row.lot and (row.lot not in lots or lots[row.lot].item != item.name):
        raise FieldInvalid(field="lot", rule="must be a lot of the item", value=row.lot)
    place = places.get(row.delivery_location)
    if row.delivery_location and (place is None or f"sites/{place.site}" != parent):
        raise FieldInvalid(field="delivery_location", rule="must be a place of the site", value=row.delivery_location)
    name = unit.new_name(parent, Reservation.COLLECTION)
    life = row.minimum_remaining_life_days if row.HasField("minimum_remaining_life_days") else None
    return Reservation(
        name=name, work_order=key[0], demand=key[1], demand_version=0, item=item.name, requested=amount, short=amount,
        unit_code=item.base_unit_code, need_time=python_of(row.need_time) if row.HasField("need_time") else None,
        priority=row.priority or 3, delivery_location=row.delivery_location, lot=row.lot, owner=row.owner,
        minimum_remaining_life_days=life,
        source_system=row.source_system, external_id=row.external_id,
        demand_kind=row.demand_kind or ("WORK_ORDER" if row.work_order else "OTHER"), allocations=[],
        correlation=row.work_order or name, allow_alternates=row.allow_alternates,
    )  # fmt: skip


async def available(unit: Unit, request: Any) -> reservations_pb2.BatchGetAvailabilityResponse:
    """What can be promised of each item at each day, in one statement for all."""
    response = reservations_pb2.BatchGetAvailabilityResponse()
    asked = [(entry, (entry.site or request.parent).removeprefix("sites/")) for entry in request.entries]
    items = await unit.get_many(Item, (entry.item for entry, _ in asked), lock=False)
    sites = set(await unit.all(select(SiteFact.name)))  # type: ignore[call-overload]
    faults = [_unanswerable(unit, entry, site, items, sites) for entry, site in asked]
    places = {(site, entry.item) for (entry, site), fault in zip(asked, faults, strict=True) if fault is None}
    known = await availability.outlooks(unit, places) if places else {}
    for (entry, site), fault in zip(asked, faults, strict=True):
        outcome = response.outcomes.add()
        if fault is not None:
            outcome.status.CopyFrom(fault.status(unit.context.domain))
            continue
        day: date = to_date(entry.date)  # type: ignore[assignment]
        amount = known[site, entry.item].available(day)
        answer = outcome.availability
        answer.item, answer.site = entry.item, f"sites/{site}"
        answer.date.CopyFrom(date_message(day))
        answer.available.CopyFrom(quantity(amount, items[entry.item].base_unit_code))
    return response


def _unanswerable(unit: Unit, entry: Any, site: str, items: Any, sites: set[str]) -> Fault | None:
    if site != access.EVERYWHERE and not unit.caller.may(unit.context.action, site):
        return access.denied(unit.context.action)
    if f"sites/{site}" not in sites:
        return FieldInvalid(field="site", rule="must be a site that is known here", value=f"sites/{site}")
    if entry.item not in items:
        return FieldInvalid(field="item", rule="must be an item", value=entry.item)
    if to_date(entry.date) is None:
        return FieldInvalid(field="date", rule="must be a calendar day")
    return None
