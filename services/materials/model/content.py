"""What is inside handling units, and moving it with them: all of it, in one movement (MAT-20, MAT-21)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm.exc import StaleDataError

from services.chassis.unit import Unit
from services.materials.model import claims, handling_unit, ledger, stock
from services.materials.model.handling_unit import HandlingUnit, HandlingUnitNotEmpty
from services.materials.model.ledger import Line, Posting
from services.materials.model.location import Location
from services.materials.model.movement import THERE, Balance, MovementKind


async def content(unit: Unit, site: str, units: Iterable[str], place: str) -> Sequence[Balance]:
    """Stock in units that stand at a place, innermost first by name; one statement."""
    return await unit.all(
        select(Balance)
        .where(
            Balance.site == site,  # type: ignore[arg-type]
            Balance.location == place,  # type: ignore[arg-type]
            Balance.handling_unit.in_(sorted(units)),  # type: ignore[attr-defined]
            THERE,
        )
        .order_by(Balance.handling_unit, Balance.name)
        .execution_options(populate_existing=True)
    )


async def refuse_filled(unit: Unit, row: HandlingUnit) -> None:
    """HandlingUnitNotEmpty when stock or another unit is in it; the caller has it alone."""
    below = await handling_unit.inside(unit, row.name)
    held = await unit.first(
        select(func.count()).where(
            Balance.site == row.site,  # type: ignore[arg-type]
            Balance.location == row.location,  # type: ignore[arg-type]
            Balance.handling_unit == row.name,  # type: ignore[arg-type]
            THERE,
        )
    )
    if held or len(below) > 1:
        what = [f"{held} kinds of stock"] * bool(held) + [f"{len(below) - 1} handling units"] * (len(below) > 1)
        raise HandlingUnitNotEmpty(handling_unit=row.name, content=" and ".join(what))


@dataclass(frozen=True, slots=True)
class TakenUp:
    """A unit that nobody else changes meanwhile: where it stands, what is in it, and it with all units inside."""

    row: HandlingUnit
    place: str
    inside: Sequence[Balance]
    units: Collection[str]


async def take_up_around(unit: Unit, name: str) -> TakenUp:
    """The outermost unit around one, taken up."""
    known = await handling_unit.paths(unit, [name])
    found = await take_up(unit, known[name].root if name in known else name)
    if found.row.parent_handling_unit:
        raise StaleDataError(f"{found.row.name} was nested meanwhile")
    return found


async def take_up(unit: Unit, name: str, *, etag: str = "") -> TakenUp:
    """A unit with its tree, behind the stock inside.

    Items come first, then units (MAT-74). When something of another item was packed before the unit was held, the
    whole command begins anew. A constant number of statements.
    """
    place, inside, _ = await _look(unit, name)
    items = {balance.item for balance in inside}
    await ledger.hold(unit, name.split("/")[1], items)
    await handling_unit.hold(unit, [name])
    place, inside, below = await _look(unit, name)
    if not {balance.item for balance in inside} <= items:
        raise StaleDataError(f"{name} was packed meanwhile")
    row = await unit.get(HandlingUnit, name, etag=etag)
    return TakenUp(row, place, inside, below)


async def _look(unit: Unit, name: str) -> tuple[str, Sequence[Balance], Collection[str]]:
    known = await handling_unit.paths(unit, [name])
    place = known[name].place if name in known else ""
    below = await handling_unit.inside(unit, name)
    return place, await content(unit, name.split("/")[1], below, place), below


_TASKS = text("""
    update put_away_task set from_location = :into, version = version + 1, update_time = now()
    where site = :site and from_location = :out and handling_unit = any(cast(:units as text[]))
      and state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING', 'EXCEPTION')
    returning name, version
""")
_DONE = text("""
    update put_away_task set state = 'COMPLETED', to_location = :into, movement = :movement, done_quantity = quantity,
           version = version + 1, update_time = now()
    where site = :site and from_location = :out and handling_unit = any(cast(:units as text[])) and kind = :kind
      and state in ('READY', 'LEASED', 'STARTED', 'WAITING')
    returning name, version
""")
_INSPECTED = text("""
    update inspection_lot set location = :into, version = version + 1, update_time = now()
    where site = :site and location = :out and state in ('CREATED', 'PARTLY_DECIDED')
      and handling_unit = any(cast(:units as text[])) returning name, version
""")


async def move(
    unit: Unit,
    taken_up: TakenUp,
    place: Location,
    *,
    source: str = "",
    correlation: str = "",
    doing: str = "",
) -> tuple[str, list[str]]:
    """Bring a unit with all that is in it to a place; gives the movement and the reservations whose claims went along.

    One movement with a line for each balance, in a constant number of statements. Inspections and tasks follow; tasks
    of the kind that is being done by it are done.
    """
    row, before, inside = taken_up.row, taken_up.place, taken_up.inside
    site = row.site or ""
    row.put_at(place.name)
    await unit.flush()
    lines = [line(balance, place.name) for balance in inside]
    taken = await claims.attach(unit, site, lines)
    posting = Posting.new(unit, site, MovementKind.MOVE, *lines, source=source or row.name, correlation=correlation)
    movement = posting.name if lines else ""
    told: dict[str, Any] = {"site": site, "out": before, "into": place.name, "units": sorted(taken_up.units)}
    # before the movement: what these tasks were to bring there is not expected beside it
    if doing:
        done = {**told, "movement": movement, "kind": doing}
        await _follow(unit, _DONE, done, {"state": "COMPLETED", "movement": movement})
    await _follow(unit, _TASKS, told, {"from_location": place.name})
    await _follow(unit, _INSPECTED, told, {"location": place.name})
    if lines:
        await stock.move(unit, site, [posting])
    return movement, await claims.carry(unit, taken)


async def _follow(unit: Unit, statement: Any, where: dict[str, Any], after: dict[str, Any]) -> None:
    for row in await unit.execute(statement, where):
        unit.audit(row.name, "", {"from_location": where["out"]}, after, row.version)


def line(balance: Balance, place: str) -> Line:
    """All of a balance to the same unit at another place."""
    return Line(
        item=balance.item, lot=balance.lot, serial=balance.serial, quantity=balance.on_hand,
        unit_code=balance.unit_code, from_location=balance.location, to_location=place, from_status=balance.status,
        to_status=balance.status, from_handling_unit=balance.handling_unit, to_handling_unit=balance.handling_unit,
        from_owner=balance.owner, to_owner=balance.owner, from_project=balance.project, to_project=balance.project,
        second_quantity=balance.second_on_hand, second_unit_code=balance.second_on_hand_unit_code,
    )  # fmt: skip


_REGROUPED = text("""
    with there as (
      select item, lot, status, handling_unit, sum(on_hand) as on_hand from balance
      where site = :site and location = :place and item = any(cast(:items as text[]))
        and handling_unit in (:out, :into) group by 1, 2, 3, 4
    )
    update put_away_task t set handling_unit = :into, version = t.version + 1, update_time = now()
    where t.site = :site and t.from_location = :place and t.handling_unit = :out
      and t.kind not in ('COUNT', 'EXCEPTION_TASK')
      and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING', 'EXCEPTION')
      and t.item = any(cast(:items as text[]))
      and not exists (select 1 from there h where h.handling_unit = :out and h.item = t.item and h.lot = t.lot
                      and h.status = t.status and h.on_hand >= t.quantity)
      and exists (select 1 from there h where h.handling_unit = :into and h.item = t.item and h.lot = t.lot
                  and h.status = t.status and h.on_hand >= t.quantity)
    returning name, version
""")


async def regroup(unit: Unit, site: str, place: str, out: str, into: str, items: Iterable[str]) -> None:
    """Open put-away tasks follow goods that were packed from one unit ("" = loose) into another as a whole."""
    where = {"site": site, "place": place, "out": out, "into": into, "items": sorted(set(items))}
    for row in await unit.execute(_REGROUPED, where):
        unit.audit(row.name, "", {"handling_unit": out}, {"handling_unit": into}, row.version)
