"""Staged goods that an order does not need any more go back, unless somebody else took them meanwhile."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from sqlalchemy import text

from services.chassis.unit import Unit
from services.materials.model import placing
from services.materials.model import task as tasks
from services.materials.model.item import Item
from services.materials.model.ledger import Line
from services.materials.model.placing import Wanted
from services.materials.model.reservation import Reservation
from services.materials.model.task import Kind

_FREE = text("""
    select b.name, b.item, b.lot, b.location, b.handling_unit, b.unit_code, b.serial, b.on_hand - b.reserved as free
    from balance b join location l on l.name = b.location and l.kind = 'STAGING'
    where b.name = any(cast(:names as text[])) and b.on_hand > b.reserved and b.second_on_hand is null
    order by b.location, b.item, b.lot, b.handling_unit, b.serial
""")


async def bring_back(unit: Unit, row: Reservation, held: Mapping[str, Decimal], cause: str) -> None:
    """Tasks for what the reservation held (balance -> quantity) at staging places and nobody claims now."""
    if not held:
        return
    site = row.site or ""
    found = (await unit.execute(_FREE, {"names": sorted(held)})).all()
    if not found:
        return
    item = await unit.get(Item, row.item, lock=False)
    goods: dict[tuple[str, str, str], tuple[Decimal, list[str]]] = {}
    for free in found:
        amount, serials = goods.setdefault((free.location, free.lot, free.handling_unit), (Decimal(0), []))
        serials += [free.serial] if free.serial else []
        key = (free.location, free.lot, free.handling_unit)
        goods[key] = (amount + min(free.free, held[free.name]), serials)
    wanted = [Wanted.of(item, amount, lot=lot, from_location=place) for (place, lot, _), (amount, _) in goods.items()]
    places = await placing.find(unit, site, wanted, decide=True)
    for ((place, lot, around), (amount, serials)), to in zip(goods.items(), places, strict=True):
        unit.add(
            tasks.new(
                unit, site, Kind.RETURN, item=row.item, lot=lot, serials=serials, from_location=place,
                handling_unit=around, quantity=amount, unit_code=row.unit_code, note=cause,
                proposed_location=to.candidates[0][0] if to.candidates else "", no_place_reason=to.why_none,
                decision=to.decision, correlation=row.correlation,
            )
        )  # fmt: skip


_THERE = text("""
    select b.item, b.lot, b.location, b.unit_code, b.serial, b.on_hand - b.reserved as free
    from balance b
    where b.site = :site and b.item = any(cast(:items as text[])) and b.location = any(cast(:places as text[]))
      and b.on_hand > b.reserved and b.status = 'UNRESTRICTED' and b.project = '' and b.owner = ''
      and b.handling_unit = '' and not b.virtual
    order by b.location, b.item, b.lot, b.serial
""")


async def bring_back_surplus(unit: Unit, site: str, lines: Sequence[Line], cause: str, correlation: str) -> None:
    """Tasks for goods at the line that became nobody's by these lines, as far as nobody claims them now."""
    left: dict[tuple[str, str, str], Decimal] = {}
    for line in lines:
        key = (line.to_location, line.item, line.lot)
        left[key] = left.get(key, Decimal(0)) + line.quantity
    mine = {line.serial for line in lines if line.serial}
    items = await unit.get_many(Item, {line.item for line in lines}, lock=False)
    where = {"site": site, "items": sorted(items), "places": sorted({line.to_location for line in lines})}
    goods: dict[tuple[str, str, str], tuple[Decimal, list[str]]] = {}
    for row in await unit.execute(_THERE, where):
        key = (row.location, row.item, row.lot)
        if key not in left or (row.serial and row.serial not in mine):
            continue
        amount, serials = goods.get(key, (Decimal(0), []))
        goods[key] = (min(amount + row.free, left[key]), serials + ([row.serial] if row.serial else []))
    wanted = [
        Wanted.of(items[item], amount, lot=lot, from_location=place)
        for (place, item, lot), (amount, _) in goods.items()
    ]
    places = await placing.find(unit, site, wanted, decide=True)
    for ((place, item, lot), (amount, serials)), to in zip(goods.items(), places, strict=True):
        unit.add(
            tasks.new(
                unit, site, Kind.RETURN, item=item, lot=lot, serials=serials, from_location=place, quantity=amount,
                unit_code=items[item].base_unit_code, note=cause, no_place_reason=to.why_none,
                proposed_location=to.candidates[0][0] if to.candidates else "", decision=to.decision,
                correlation=correlation,
            )
        )  # fmt: skip
