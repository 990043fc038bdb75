"""Places of a locked count let nothing in or out until each of their lines is counted (MAT-146)."""

from collections.abc import Sequence

from sqlalchemy import select, text

from services.chassis.unit import Unit
from services.materials.model import count_lines, stock
from services.materials.model.count import CountDocument, Mode
from services.materials.model.location import Direction, LocationAlreadyLocked, LocationLock

_SET = text("""
    insert into location_lock (location, direction, reason, person, lock_time)
    select name, 'COUNT', :reason, :person, :at from unnest(cast(:names as text[])) name
""")
_TAKE = text("""
    delete from location_lock k using location l
    where l.name = k.location and l.site = :site and k.direction = 'COUNT' and k.reason = :count
      and (:all or not exists (
      select from count_line c where c.count = :count and c.location = k.location and c.state in ('OPEN', 'RECOUNT')))
    returning k.location
""")
_TOUCH = text("""
    update location set version = version + 1, update_time = now() where name = any(cast(:names as text[]))
    returning name, version
""")


async def set_for(unit: Unit, document: CountDocument, places: Sequence[str]) -> None:
    """Lock the places of a LOCKED count; LocationAlreadyLocked when another counts there. Nothing is being posted."""
    if document.mode is not Mode.LOCKED or not places:
        return
    known: LocationLock | None = await unit.first(
        select(LocationLock)
        .where(LocationLock.location.in_(places), LocationLock.direction == Direction.COUNT)  # type: ignore[attr-defined, arg-type]
        .order_by(LocationLock.location)
    )
    if known is not None:
        raise LocationAlreadyLocked(
            location=known.location, direction=known.direction, person=known.person,
            since=known.lock_time.isoformat(), reason=known.reason,
        )  # fmt: skip
    names = {"names": list(places)}
    await unit.execute(_SET, {**names, "reason": document.name, "person": unit.caller.name, "at": unit.now})
    await _touch(unit, places, None, document.name)


async def take_away(unit: Unit, document: CountDocument, *, all_of_them: bool = False) -> None:
    """Open the places whose lines are counted, or all; who waits for stock there is served. The items are held."""
    if document.mode is not Mode.LOCKED:
        return
    rows = await unit.execute(_TAKE, {"site": document.site, "count": document.name, "all": all_of_them})
    places = sorted(row.location for row in rows)
    if places:
        await _touch(unit, places, document.name, None)
        site = document.site or ""
        await stock.serve(unit, site, await count_lines.items_at(unit, site, places, []))


async def _touch(unit: Unit, places: Sequence[str], before: str | None, after: str | None) -> None:
    for row in await unit.execute(_TOUCH, {"names": list(places)}):
        unit.audit(row.name, "", {"lock_count": before}, {"lock_count": after}, row.version)
