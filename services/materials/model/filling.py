"""Filling places from others of their site by tasks: pick faces, and what kanban cards of places ask for (MAT-171)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from services.chassis.unit import Unit
from services.materials.model import allocating, ledger, placing, replenishing
from services.materials.model import task as tasks
from services.materials.model.item import Item, site_fact
from services.materials.model.placing import Wanted
from services.materials.model.policy import Revision
from services.materials.model.replenishing import Asked
from services.materials.model.task import Task
from services.materials.rules import allocation, replenishment
from services.materials.rules.allocation import Candidate, Demand
from services.materials.rules.replenishment import Facts, Supply, SupplyKind

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Need:
    """So much of an item is to be brought to a place; `whole`: all of it or nothing."""

    item: Item
    place: str
    quantity: Decimal
    correlation: str = ""
    whole: bool = False


_FACES = text("""
    select p.item, p.location, p.active_revision as revision
    from materials_policy p join materials_revision r on r.name = p.active_revision and r.kind = 'PICK_FACE'
    where p.item = any(cast(:items as text[])) and p.site is null and p.location like :places
    order by p.item, p.location
""")
_IN_FACES = text("""
    select f.item, f.location,
      coalesce((select sum(b.on_hand) from balance b left join lot l on l.name = b.lot
                where b.site = :site and b.item = f.item and b.location = f.location and not b.virtual
                and b.status = 'UNRESTRICTED' and b.owner = '' and b.project = ''
                and (l.expire_date is null or l.expire_date >= :today)
                and hold_of(b.site, b.item, b.lot, b.serial, b.handling_unit, b.location) is null), 0) as on_hand,
      coalesce((select sum(t.quantity) from put_away_task t
                where t.site = :site and t.item = f.item and t.from_location = f.location and t.kind = 'PICK'
                and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING')), 0) as picks
    from unnest(cast(:items as text[]), cast(:places as text[])) f(item, location)
""")
_INTO_FACES = text("""
    select t.item, t.proposed_location as location, t.name, t.quantity
    from unnest(cast(:items as text[]), cast(:places as text[])) f(item, location)
    join put_away_task t on t.site = :site and t.item = f.item and t.proposed_location = f.location
      and t.kind not in ('PICK', 'STAGE', 'COUNT', 'EXCEPTION_TASK')
      and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING')
    order by t.name
""")
_SOURCES = text("""
    select l.name as location, f.item from location l
    cross join unnest(cast(:items as text[])) f(item)
    where l.name = any(cast(:places as text[])) and l.kind = 'STORAGE' and not exists (
      select from materials_policy p
      where p.item = f.item and p.location = l.name and p.active_revision <> '')
""")
_LEAVING = text("""
    select t.item, t.from_location as location, t.lot, sum(t.quantity) as quantity from put_away_task t
    where t.site = :site and t.item = any(cast(:items as text[])) and t.reservation = ''
      and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING', 'EXCEPTION')
    group by t.item, t.from_location, t.lot
""")
_PLACES = text("""
    select distinct split_part(p.location, '/', 2) as site, p.item from materials_policy p
    join materials_revision r on r.name = p.active_revision and r.kind = 'PICK_FACE'
    where p.location <> '' order by 1, 2
""")


async def places(unit: Unit) -> list[tuple[str, str]]:
    """(site, item) with pick faces, in order; one statement."""
    rows = await unit.execute(_PLACES)
    return [(row.site, row.item) for row in rows]


async def low(unit: Unit, site: str, items: Iterable[str]) -> list[str]:
    """Items with a pick face that is low, seen without locks; a constant number of statements."""
    return sorted({row.item for row, _ in await _asked(unit, site, items) if row.found.quantity > 0})


async def fill(unit: Unit, site: str, *items: str) -> list[Task]:
    """Make tasks that fill the pick faces of items which are low (MAT-171); a constant number of statements."""
    await ledger.hold(unit, site, items)
    rows = [(row, place) for row, place in await _asked(unit, site, items) if row.found.quantity > 0]
    known = await unit.get_many(Item, (row.item for row, _ in rows), lock=False)
    made = await bring(unit, site, [Need(known[row.item], place, row.found.quantity) for row, place in rows])
    for (row, _), found in zip(rows, made, strict=True):
        if found:
            keep(unit, site, row, found)
    await unit.flush()
    return [task for found in made for task in found]


def keep(unit: Unit, site: str, row: Asked, made: Iterable[Task]) -> str:
    """Keep the decision that made tasks; gives its name."""
    name = replenishing.decide(unit, site, row, replenishment.words(row.given, row.found))
    for task in made:
        task.decision = name
    return name


async def _asked(unit: Unit, site: str, items: Iterable[str]) -> list[tuple[Asked, str]]:
    """The pick faces of items with what their policies ask for."""
    faces: list[Any] = list(
        await unit.execute(_FACES, {"items": sorted(set(items)), "places": f"sites/{site}/locations/%"})
    )
    if not faces:
        return []
    revisions = await unit.get_many(Revision, (row.revision for row in faces), lock=False)
    return await _judged(unit, site, [(row.item, row.location, revisions[row.revision]) for row in faces])


async def judged(unit: Unit, site: str, revision: Revision, item: str, place: str) -> Asked:
    """What a revision asks for a pick face now."""
    return (await _judged(unit, site, [(item, place, revision)]))[0][0]


async def _judged(unit: Unit, site: str, faces: Sequence[tuple[str, str, Revision]]) -> list[tuple[Asked, str]]:
    today = (await site_fact(unit, site)).day(unit.now)
    known = await unit.get_many(Item, (item for item, _, _ in faces), lock=False)
    facts = await _facts(unit, site, [(item, place) for item, place, _ in faces], today)
    found = []
    for item, place, revision in faces:
        given, there = revision.parameters(known[item]), facts[item, place]
        found.append((Asked(item, revision, given, there, replenishment.evaluate(given, there)), place))
    return found


async def _facts(
    unit: Unit, site: str, faces: Sequence[tuple[str, str]], today: date
) -> Mapping[tuple[str, str], Facts]:
    where = {"site": site, "items": [item for item, _ in faces], "places": [place for _, place in faces]}
    coming: dict[tuple[str, str], list[Supply]] = {}
    for row in await unit.execute(_INTO_FACES, where):
        supply = Supply(SupplyKind.TASK.value, row.name, row.quantity)
        coming.setdefault((row.item, row.location), []).append(supply)
    return {
        (row.item, row.location): Facts(
            row.item, today, row.on_hand, row.picks, tuple(coming.get((row.item, row.location), ()))
        )
        for row in await unit.execute(_IN_FACES, where | {"today": today})
    }


async def bring(unit: Unit, site: str, needs: Sequence[Need]) -> list[list[Task]]:
    """Tasks that bring needs to their places from free, loose stock in storage; the caller holds the items.

    First expired first; none where a place has no room, and less than needed where there is not so much. A constant
    number of statements.
    """
    if not needs:
        return []
    items = {need.item.name for need in needs}
    today = (await site_fact(unit, site)).day(unit.now)
    sources = await _sources(unit, site, items)
    full = await placing.room(unit, site, [(Wanted.of(need.item, need.quantity), need.place) for need in needs])
    found = [
        _plan(need, sources.get(need.item.name, []), today) if fault is None else []
        for need, fault in zip(needs, full, strict=True)
    ]
    wanted = [
        (Wanted.of(need.item, amount, from_location=source.location, lot=source.lot), need.place)
        for need, plan in zip(needs, found, strict=True)
        for source, amount in plan
    ]
    faults = iter(await placing.room(unit, site, wanted))  # lots may not be mixed there
    made = []
    for need, plan in zip(needs, found, strict=True):
        fitting = [each for each in plan if next(faults) is None]
        if need.whole and len(fitting) < len(plan):
            fitting = []
        made.append(_tasks(unit, site, need, fitting))
    await unit.flush()
    return made


def _plan(need: Need, sources: list[Candidate], today: date) -> list[tuple[Candidate, Decimal]]:
    elsewhere = [row for row in sources if row.location != need.place]
    before = {row.balance: row.free for row in elsewhere}
    plan = allocation.plan(elsewhere, Demand("", need.quantity, need.item.base_unit_code, today))
    if need.whole and sum((amount for _, amount in plan.taken), ZERO) < need.quantity:
        for row in elsewhere:
            row.free = before[row.balance]
        return []
    return plan.taken


async def _sources(unit: Unit, site: str, items: Iterable[str]) -> dict[str, list[Candidate]]:
    """Free, loose stock in storage that is no place with a policy of its own, less what open tasks take away."""
    known = await allocating.candidates(unit, site, items)
    places = sorted({row.location for rows in known.values() for row in rows})
    storage = {
        (row.item, row.location) for row in await unit.execute(_SOURCES, {"places": places, "items": sorted(items)})
    }
    leaving = {
        (row.item, row.location, row.lot): row.quantity
        for row in await unit.execute(_LEAVING, {"site": site, "items": sorted(items)})
    }
    found: dict[str, list[Candidate]] = {}
    for item, rows in known.items():
        for row in sorted(rows, key=lambda row: row.balance):
            if (item, row.location) not in storage or row.handling_unit:
                continue
            gone = min(leaving.get((item, row.location, row.lot), ZERO), row.free)
            if gone:
                leaving[item, row.location, row.lot] -= gone
                row.free -= gone
            found.setdefault(item, []).append(row)
    return found


def _tasks(unit: Unit, site: str, need: Need, taken: Sequence[tuple[Candidate, Decimal]]) -> list[Task]:
    """One task for each lot in each place."""
    parts: dict[tuple[str, str], list[tuple[Candidate, Decimal]]] = {}
    for source, amount in taken:
        parts.setdefault((source.location, source.lot), []).append((source, amount))
    return [
        unit.add(
            tasks.new(
                unit, site, tasks.Kind.REPLENISH, item=need.item.name, lot=lot, from_location=location,
                quantity=sum((amount for _, amount in part), ZERO), unit_code=need.item.base_unit_code,
                serials=sorted(source.serial for source, _ in part if source.serial), proposed_location=need.place,
                correlation=need.correlation,
            )
        )
        for (location, lot), part in parts.items()
    ]  # fmt: skip
