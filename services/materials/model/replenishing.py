"""Asking the policies of replenishment: what they count, one open request for each item and site (MAT-164 .. MAT-169).

A constant number of statements for any number of items of a site (PERF-9).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from plantops.materials.v1.events_pb2 import ReplenishmentNeeded
from sqlalchemy import or_, select, text

from services.chassis.db import json_text
from services.chassis.query import among
from services.chassis.unit import Unit
from services.materials.model import ledger
from services.materials.model.decision import Decision
from services.materials.model.item import Item, SiteFact, site_fact
from services.materials.model.policy import Kind, Policy, Revision
from services.materials.model.supply_request import COMING, SupplyRequest
from services.materials.rules import replenishment, selectors
from services.materials.rules.replenishment import BY_POSITION, Facts, Parameters, Supply, Verdict

DECISION = "REPLENISHMENT"


@dataclass(frozen=True, slots=True)
class Asked:
    """A policy in force, asked for one item of a site."""

    item: str
    revision: Revision
    given: Parameters
    facts: Facts
    found: Verdict


_FACTS = text("""
    select i.item,
      coalesce((select sum(b.on_hand) from balance b left join lot l on l.name = b.lot
                where b.site = :site and b.item = i.item and not b.virtual and b.status = 'UNRESTRICTED'
                and b.owner = '' and b.project = '' and (l.expire_date is null or l.expire_date >= :today)
                and hold_of(b.site, b.item, b.lot, b.serial, b.handling_unit, b.location) is null), 0)
        - coalesce((select sum(l.quantity - l.received - l.disposed) from transfer_line l
                    join transfer t on t.name = l.transfer and t.to_site <> 'sites/' || :site
                    where t.site = :site and t.state in ('SHIPPED', 'PARTLY_RECEIVED', 'RECEIVED')
                    and l.item = i.item and l.status = 'UNRESTRICTED'
                    and hold_of(:site, l.item, l.lot, '', l.handling_unit, t.transit_location) is null), 0) as on_hand,
      coalesce((select sum(on_hand) from balance b where b.site = :site and b.item = i.item and not b.virtual
                and b.status = 'INSPECTION' and b.owner = ''), 0) as inspection,
      coalesce((select sum(r.allocated + r.short + r.pending + r.supply_covered)
                from reservation r join item m on m.name = r.item
                where r.site = :site and r.item = i.item and r.unit_code = m.base_unit_code
                and r.state in ('PENDING', 'SHORT', 'ALLOCATED')
                and (i.until is null or r.need_time is null or r.need_time < i.until)), 0)
        + coalesce((select sum(greatest(c.required - c.consumed - coalesce((
                      select sum(b.on_hand) from balance b
                      where b.site = :site and b.item = c.item and b.project = o.name and not b.virtual), 0), 0))
                    from production_component c
                    join production_order o on o.name = c.production_order and o.state in ('RELEASED', 'STARTED')
                    where o.site = :site and c.item = i.item
                    and (i.until is null or o.start_time is null or o.start_time < i.until)), 0) as demand
    from unnest(cast(:items as text[]), cast(:until as timestamptz[])) i(item, until)
""")
_SUPPLIES = text("""
    with wanted as (select unnest(cast(:items as text[])) as item)
    select * from (
      select s.item, 'REQUEST' as kind, s.name as resource, s.quantity, s.need_date as expected
      from wanted w join supply_request s on s.site = :site and s.item = w.item and s.state in ('OPEN', 'CARRIED')
      union all
      select r.item, 'REQUISITION', r.supply, sum(r.short), min(r.expected_date)
      from wanted w join reservation r on r.site = :site and r.item = w.item and r.state = 'SHORT'
        and r.cover = 'UNCOVERED' and r.supply like '%/requisitions/%'
      group by r.item, r.supply
      union all
      select e.item, 'ORDER', e.name, e.quantity * e.base_numerator / e.base_denominator - e.received_base,
             e.expected_date
      from wanted w join expected_receipt e on e.site = :site and e.item = w.item and e.state = 'OPEN'
        and not e.set_aside
      union all
      select l.item, 'TRANSFER', t.name, sum(l.quantity - l.received - l.disposed), t.expected_date
      from wanted w join transfer_line l on l.item = w.item and l.status = 'UNRESTRICTED'
      join transfer t on t.name = l.transfer and t.to_site = 'sites/' || :site and t.site <> :site
        and t.state in ('SHIPPED', 'PARTLY_RECEIVED')
      group by l.item, t.name, t.expected_date
      union all
      select o.item, 'PRODUCTION', o.name, o.quantity - o.good, (o.due_time at time zone :zone)::date
      from wanted w join production_order o on o.site = :site and o.item = w.item and o.state in ('RELEASED', 'STARTED')
    ) s where quantity > 0 order by item, expected, resource
""")
_REVIEWED = text("""
    insert into policy_review (revision, site, item, review_date)
    select * from unnest(cast(:revisions as text[]), cast(:sites as text[]), cast(:items as text[]),
                         cast(:days as date[]))
    on conflict (revision, site, item) do update set review_date = excluded.review_date
    where policy_review.review_date < excluded.review_date
    returning item
""")
_NOT_REVIEWED = text("""
    select w.item from unnest(cast(:revisions as text[]), cast(:sites as text[]), cast(:items as text[]),
                              cast(:days as date[])) w(revision, site, item, day)
    where not exists (select from policy_review p where p.revision = w.revision and p.site = w.site
                      and p.item = w.item and p.review_date >= w.day)
""")


async def ask(unit: Unit, site: str, *items: str) -> None:
    """Ask the policies of items; a request is opened or raised where its position is low (MAT-167)."""
    await ledger.hold(unit, site, items)
    _, needed = await judge(unit, site, items)
    for request, event in needed:
        unit.emit(event, correlation=request.chain)
    if needed:
        await unit.flush()


async def in_force(unit: Unit, site: str, items: Iterable[str]) -> dict[str, Revision]:
    """Item -> the revision of the most specific policy in force at a site; two statements at most."""
    wanted = sorted(set(items))
    found: list[Any] = list(
        await unit.execute(
            select(Policy, Revision)  # type: ignore[call-overload]
            .join(Revision, Revision.name == Policy.active_revision)  # type: ignore[arg-type]
            .where(
                or_(among(Policy.item, wanted), Policy.item.is_(None)),  # type: ignore[union-attr]
                or_(Policy.site == site, Policy.site.is_(None)),  # type: ignore[arg-type, union-attr]
                Policy.location == "",  # type: ignore[arg-type]
            )
        )
    )
    known = {policy.selector: revision for policy, revision in found}
    classes: Mapping[str, str] = {}
    if any(selector.item_class for selector in known):
        rows = await unit.execute(select(Item.name, Item.item_class).where(Item.name.in_(wanted)))  # type: ignore[call-overload, attr-defined]
        classes = {row.name: row.item_class for row in rows}
    best = {item: selectors.most_specific(known, item, classes.get(item, ""), site) for item in wanted}
    return {item: known[selector] for item, selector in best.items() if selector is not None}


async def asked(
    unit: Unit, site: str, revisions: Mapping[str, Revision], *, note: bool, always: bool = False
) -> list[Asked]:
    """What revisions ask for items now; those with reviews at their review alone, which is noted.

    `always` asks them between reviews too. A constant number of statements.
    """
    fact = await site_fact(unit, site)
    today = fact.day(unit.now)
    revisions = {item: revision for item, revision in revisions.items() if revision.kind in BY_POSITION}
    due = dict(revisions) if always else await _due(unit, site, revisions, fact, today, note=note)
    if not due:
        return []
    items = await unit.get_many(Item, due, lock=False)
    given = {name: due[name].parameters(item) for name, item in items.items()}
    facts = await facts_of(unit, site, given, fact, today)
    return [
        Asked(name, due[name], given[name], facts[name], replenishment.evaluate(given[name], facts[name]))
        for name in sorted(given)
    ]


async def facts_of(
    unit: Unit, site: str, given: Mapping[str, Parameters], fact: SiteFact, today: date
) -> dict[str, Facts]:
    """What is known of items at a site; two statements."""
    names = sorted(given)
    until = [_end(today, given[name].horizon_days, fact) for name in names]
    supplies: dict[str, list[Supply]] = {}
    where = {"site": site, "items": names}
    for row in await unit.execute(_SUPPLIES, where | {"zone": fact.time_zone}):
        supplies.setdefault(row.item, []).append(Supply(row.kind, row.resource, row.quantity, row.expected))
    found = {}
    for row in await unit.execute(_FACTS, where | {"until": until, "today": today}):
        rows = supplies.get(row.item, [])
        if row.inspection > 0:
            rows = [Supply(replenishment.SupplyKind.INSPECTION.value, "", row.inspection), *rows]
        found[row.item] = Facts(row.item, today, row.on_hand, row.demand, tuple(rows))
    return found


def _end(today: date, days: int | None, fact: SiteFact) -> datetime | None:
    """Until when demand counts: the end of the last day of the horizon."""
    if days is None:
        return None
    return datetime.combine(today + timedelta(days=days + 1), time(), ZoneInfo(fact.time_zone))


async def _due(
    unit: Unit, site: str, revisions: Mapping[str, Revision], fact: SiteFact, today: date, *, note: bool
) -> dict[str, Revision]:
    """Revisions that are to be asked now: with reviews, where the last one is not done."""
    periodic = {item: revision for item, revision in revisions.items() if revision.kind is Kind.PERIODIC}
    if not periodic:
        return dict(revisions)
    days = [_review(revision, fact, today) for revision in periodic.values()]
    where = {
        "items": list(periodic), "revisions": [revision.name for revision in periodic.values()],
        "sites": [site] * len(days), "days": days,
    }  # fmt: skip
    due = {row.item for row in await unit.execute(_REVIEWED if note else _NOT_REVIEWED, where)}
    return {item: revision for item, revision in revisions.items() if item not in periodic or item in due}


def _review(revision: Revision, fact: SiteFact, today: date) -> date:
    """The last day of review up to today."""
    first = fact.day(revision.effective_time) if revision.effective_time is not None else today
    return today - timedelta(days=(today - first).days % revision.review_days)


async def judge(
    unit: Unit, site: str, items: Iterable[str]
) -> tuple[dict[str, SupplyRequest], list[tuple[SupplyRequest, ReplenishmentNeeded]]]:
    """The open requests of items with a policy in force, and the events of those that are new or raised.

    Loops of cards look after containers and not after the stock of a site. The caller holds the items.
    """
    found = await in_force(unit, site, items)
    revisions = {item: revision for item, revision in found.items() if revision.kind in BY_POSITION}
    if not revisions:
        return {}, []
    rows = await asked(unit, site, revisions, note=True)
    requests = await open_requests(unit, site, revisions)
    needed = [
        (request, request.told()) for row in rows if (request := request_of(unit, site, row, requests)) is not None
    ]
    await unit.flush()
    return requests, needed


async def open_requests(unit: Unit, site: str, items: Iterable[str]) -> dict[str, SupplyRequest]:
    """Item -> its open request, locked."""
    rows: Sequence[SupplyRequest] = await unit.all(
        select(SupplyRequest)
        .where(
            SupplyRequest.site == site,  # type: ignore[arg-type]
            among(SupplyRequest.item, items),
            SupplyRequest.state.in_(COMING),  # type: ignore[attr-defined]
        )
        .order_by(SupplyRequest.name)
        .with_for_update()
    )
    return {row.item: row for row in rows}


def request_of(unit: Unit, site: str, row: Asked, requests: dict[str, SupplyRequest]) -> SupplyRequest | None:
    """The request that was opened or raised, with its decision; None where nothing is needed."""
    found = row.found
    if found.quantity <= 0:
        return None
    words = replenishment.words(row.given, found)
    request = requests.get(row.item)
    if request is None:
        name = unit.new_name(f"sites/{site}", SupplyRequest.COLLECTION)
        request = requests[row.item] = SupplyRequest(
            name=name, item=row.item, quantity=found.quantity, unit_code=row.given.unit_code,
            policy_revision=row.revision.name, need_date=found.need_date, outcome=row.given.outcome,
            source_site=row.given.source_site, correlation=unit.correlation or name,
        )  # fmt: skip
        unit.add(request)
    else:
        request.quantity += found.quantity
    request.explanation = words
    request.decision = decide(unit, site, row, words)
    request.count(found.counted)
    return request


def decide(unit: Unit, site: str, row: Asked, words: list[str]) -> str:
    """Keep the decision in the transaction of its effect (MAT-162)."""
    name = unit.new_name(f"sites/{site}", Decision.COLLECTION)
    unit.session.add(
        Decision(
            name=name, site=site, kind=DECISION, item=row.item, revision=row.revision.name,
            inputs=json_text(replenishment.record(row.given, row.facts)),
            outcome=json_text(replenishment.outcome(row.given, row.found)), explanation=words, create_time=unit.now,
        )
    )  # fmt: skip
    return name


_PLACES = text("""
    select distinct k.site, k.item from (
      select p.site, p.item from materials_policy p
      where p.active_revision <> '' and p.location = '' and p.site is not null and p.item is not null
      union
      select s.site, s.item from (
        select site, item from item_settings
        union select site, item from balance where not virtual
        union select site, item from reservation where state in ('PENDING', 'SHORT', 'ALLOCATED')) s
      join item i on i.name = s.item
      where exists (
        select from materials_policy p
        where p.active_revision <> '' and p.location = '' and (p.site is null or p.item is null))
        and exists (
        select from materials_policy p
        where p.active_revision <> '' and p.location = '' and (p.site is null or p.item is null)
          and (p.item is null or p.item = s.item) and p.item_class in ('', i.item_class)
          and (p.site is null or p.site = s.site))
    ) k order by k.site, k.item
""")


async def places(unit: Unit) -> list[tuple[str, str]]:
    """(site, item) that a policy in force looks after, in order; one statement."""
    rows = await unit.execute(_PLACES)
    return [(row.site, row.item) for row in rows]


async def needy(unit: Unit, site: str, items: Iterable[str]) -> list[str]:
    """Items for which a policy would ask now, seen without locks; a constant number of statements (PERF-9)."""
    revisions = await in_force(unit, site, items)
    rows = await asked(unit, site, revisions, note=False)
    reviewed = [item for item, revision in revisions.items() if revision.kind is Kind.PERIODIC]
    return sorted({row.item for row in rows if row.found.quantity > 0} | {*reviewed} & {row.item for row in rows})
