"""Traces: what lots and serials went into and came from, as recursive queries over the edges (MAT-136)."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from services.chassis.unit import Unit
from services.materials.rules.mass_balance import MassBalance, Row, balanced

PAGE = 500
DEPTH, NODES = 50, 100_000
"""How far and how wide a trace goes when nobody says otherwise."""

# A step takes the lots that the step before found, each with whether a certain way leads to it. A lot is gone on from
# when it is found, and once more when a certain way to it is found after a possible one: `seen` and `known` are the
# pairs that need no further look, so that rework, which makes circles, ends.
_TRACE = """
    with recursive edge as not materialized (
      select e.* from genealogy_edge e
      where e.effective_time >= coalesce(cast(:start as timestamptz), '-infinity')
        and e.effective_time < coalesce(cast(:end as timestamptz), 'infinity')
        and (e.certain or not cast(:certain_only as boolean))
        and (cast(:sites as text[]) is null or split_part(e.movement, '/', 2) = any(cast(:sites as text[])))
        and not exists (select from movement m where m.reverses = e.movement and m.reverses <> '')
    ), walk(depth, lots, sure, seen, known) as (
      select 0, array[cast(:name as text)], array[true], array[cast(:name as text), cast(:name as text)],
             array[true, false]
      union
      select w.depth + 1, n.lots, n.sure, w.seen || n.lots || n.certain, w.known || n.sure || n.nots
      from walk w, lateral (
        select array_agg(x.lot) as lots, array_agg(x.sure) as sure,
               coalesce(array_agg(x.lot) filter (where x.sure), '{}') as certain,
               coalesce(array_agg(false) filter (where x.sure), '{}') as nots
        from (
          (select e.TO as lot, bool_or(f.sure and e.certain) as sure
           from unnest(w.lots, w.sure) f(lot, sure) join edge e on e.FROM = f.lot group by e.TO)
          except
          select s.lot, s.sure from unnest(w.seen, w.known) s(lot, sure)
          order by 1, 2 limit greatest(2 * (cast(:nodes as integer) + 1) - cardinality(w.seen), 0)
        ) x
      ) n
      where w.depth < cast(:depth as integer) and n.lots is not null
    ), reach as materialized (
      select l.lot, min(w.depth) as depth, bool_or(l.sure) as sure
      from walk w, unnest(w.lots, w.sure) l(lot, sure)
      group by l.lot order by 2, 1 limit cast(:nodes as integer) + 1
    )
    select e.input_lot, e.output_lot, e.item, e.quantity, e.unit_code, e.certain, f.sure and e.certain as certain_path,
           f.depth + 1 as depth, e.movement, e.effective_time, e.operation, e.production_order, e.handling_unit,
           e.TO as reached, t.sure as reached_certain, t.depth as reached_depth
    from reach f join edge e on e.FROM = f.lot join reach t on t.lot = e.TO
    where f.depth < cast(:depth as integer)
    order by f.depth, e.input_lot, e.output_lot, e.movement
"""
_FURTHER = """
    select exists (
      select from genealogy_edge e
      where e.FROM = any(cast(:lots as text[]))
        and e.effective_time >= coalesce(cast(:start as timestamptz), '-infinity')
        and e.effective_time < coalesce(cast(:end as timestamptz), 'infinity')
        and (e.certain or not cast(:certain_only as boolean))
        and (cast(:sites as text[]) is null or split_part(e.movement, '/', 2) = any(cast(:sites as text[])))
        and not exists (select from movement m where m.reverses = e.movement and m.reverses <> ''))
"""
# entries of lots by their balances, for which there is an index; those of serials by themselves
_ENTRIES = """
      select e.lot as node, e.serial, e.quantity, e.unit_code, e.effective_time, e.movement
      from site_fact f join balance b on b.site = split_part(f.name, '/', 2) and b.lot = any(cast(:lots as text[]))
        join location l on l.name = b.location and l.kind = any(cast(:kinds as text[]))
        join movement_entry e on e.balance = b.name
      where cast(:sites as text[]) is null or b.site = any(cast(:sites as text[]))
      union all
      select e.serial, '', e.quantity, e.unit_code, e.effective_time, e.movement
      from movement_entry e join location l on l.name = e.location and l.kind = any(cast(:kinds as text[]))
      where e.serial = any(cast(:serials as text[]))
        and (cast(:sites as text[]) is null or e.site = any(cast(:sites as text[])))
"""
_WENT = text(
    """
    with entry as (ENTRIES)
    select case when bool_or(s.name is not null) then 'CUSTOMER' else 'ASSET' end as kind, x.node as lot, x.serial,
           coalesce(min(s.customer), min(r.asset), '') as party, m.source as document,
           coalesce(min(r.work_order), '') as work_order, sum(x.quantity) as quantity, x.unit_code,
           coalesce(-sum(x.quantity) filter (where m.kind in ('RETURN_FROM_CUSTOMER', 'RETURN_TO_STOCK')), 0)
             as returned_quantity, min(x.effective_time) as effective_time
    from entry x join movement m on m.name = x.movement
      left join shipment s on s.name = m.source left join reservation r on r.name = m.source
    where s.name is not null or r.name is not null
    group by x.node, x.serial, m.source, x.unit_code
    having bool_or(m.kind in ('SHIP', 'ISSUE'))
    order by x.node, m.source, x.serial
""".replace("ENTRIES", _ENTRIES)
)
_CAME = text(
    """
    with entry as (ENTRIES)
    select 'SUPPLIER' as kind, x.node as lot, x.serial, min(r.supplier) as party, m.source as document,
           '' as work_order, -sum(x.quantity) as quantity, x.unit_code,
           coalesce(sum(x.quantity) filter (where m.kind = 'RETURN_TO_SUPPLIER'), 0) as returned_quantity,
           min(x.effective_time) as effective_time
    from entry x join movement m on m.name = x.movement join receipt r on r.name = m.source
    group by x.node, x.serial, m.source, x.unit_code
    having sum(x.quantity) <> 0 or bool_or(m.kind = 'RETURN_TO_SUPPLIER')
    order by x.node, m.source, x.serial
""".replace("ENTRIES", _ENTRIES)
)

# what is left by the balances, what came and went by the entries at places that stand for the world outside
_MASS = text("""
    with there as (
      select b.lot as node, b.name, b.virtual, b.on_hand, l.kind as place
      from site_fact f join balance b on b.site = split_part(f.name, '/', 2) and b.lot = any(cast(:lots as text[]))
        join location l on l.name = b.location
      where cast(:sites as text[]) is null or b.site = any(cast(:sites as text[]))
    ), crossed as (
      select t.node, t.place, e.movement, e.quantity from there t join movement_entry e on e.balance = t.name
      where t.virtual
      union all
      select e.serial, l.kind, e.movement, e.quantity
      from movement_entry e join balance b on b.name = e.balance and b.virtual join location l on l.name = e.location
      where e.serial = any(cast(:serials as text[]))
        and (cast(:sites as text[]) is null or e.site = any(cast(:sites as text[])))
    )
    select t.node, t.place, '' as kind, false as out, sum(t.on_hand) as quantity
    from there t where not t.virtual group by t.node, t.place
    union all
    select s.name, l.kind, '', false, b.on_hand
    from serial s join balance b on b.name = s.balance join location l on l.name = b.location
    where s.name = any(cast(:serials as text[]))
      and (cast(:sites as text[]) is null or b.site = any(cast(:sites as text[])))
    union all
    select c.node, c.place, coalesce(o.kind, m.kind), (c.quantity > 0) = (o.name is null), sum(c.quantity)
    from crossed c join movement m on m.name = c.movement
      left join movement o on o.name = m.reverses and m.reverses <> ''
    group by 1, 2, 3, 4
""")


def _ways(statement: str) -> tuple[Any, Any]:
    """A statement backward and forward."""
    backward = statement.replace("e.FROM", "e.output_lot").replace("e.TO", "e.input_lot")
    return text(backward), text(statement.replace("e.FROM", "e.input_lot").replace("e.TO", "e.output_lot"))


_TRACES, _FURTHERS = _ways(_TRACE), _ways(_FURTHER)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a trace goes: steps, lots, and the time of the edges."""

    depth: int = DEPTH
    nodes: int = NODES
    start: datetime | None = None
    end: datetime | None = None
    certain_only: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some edges, and what left the plant, or came, of the lots that they reached first."""

    edges: Sequence[Any] = ()
    ends: Sequence[Any] = ()
    certain: Collection[str] = frozenset()
    """Lots of the page that a certain way leads to."""


@dataclass(slots=True)
class Trace:
    """A trace from one lot or serial; what is known of it when all pages were read."""

    unit: Unit
    name: str
    forward: bool
    bounds: Bounds = Bounds()
    reached: int = 0
    complete: bool = True

    async def pages(self) -> AsyncIterator[Page]:
        """Pages of at most 500 edges, the nearest first, and of at most 500 ends."""
        asked = {
            "name": self.name, "start": self.bounds.start, "end": self.bounds.end, "depth": self.bounds.depth,
            "nodes": self.bounds.nodes, "certain_only": self.bounds.certain_only, "sites": seen(self.unit),
        }  # fmt: skip
        known: set[str] = {self.name}
        last: set[str] = set()
        for page in _pages((), await self._ends([self.name]), {self.name}):
            yield page
        found = await self.unit.session.stream(_TRACES[self.forward], asked)
        async for rows in found.partitions(PAGE):
            fresh = {row.reached: row.reached_certain for row in rows if row.reached not in known}
            last.update(row.reached for row in rows if row.reached_depth == self.bounds.depth)
            known.update(fresh)
            ends = await self._ends(sorted(fresh)) if fresh else []
            for page in _pages(rows, ends, {lot for lot, certain in fresh.items() if certain}):
                yield page
        self.reached = len(known) - 1
        self.complete = self.reached < self.bounds.nodes
        if last and self.complete:
            further = {key: value for key, value in asked.items() if key not in ("name", "depth", "nodes")}
            found_further = await self.unit.execute(_FURTHERS[self.forward], {**further, "lots": sorted(last)})
            self.complete = not found_further.scalar_one()

    async def _ends(self, names: Sequence[str]) -> Sequence[Any]:
        where = {
            "lots": [name for name in names if "/lots/" in name], "sites": seen(self.unit),
            "serials": [name for name in names if "/serials/" in name],
            "kinds": ["CUSTOMER", "CONSUMED"] if self.forward else ["SUPPLIER"],
        }  # fmt: skip
        return (await self.unit.execute(_WENT if self.forward else _CAME, where)).all()


async def mass_balances(unit: Unit, names: Sequence[str]) -> dict[str, MassBalance]:
    """Where all of each lot or serial is; one statement."""
    where = {
        "lots": [name for name in names if "/lots/" in name], "sites": seen(unit),
        "serials": [name for name in names if "/serials/" in name],
    }  # fmt: skip
    rows: dict[str, list[Row]] = {name: [] for name in names}
    for row in await unit.execute(_MASS, where):
        rows[row.node].append((row.place, row.kind, row.out, row.quantity))
    return {name: balanced(found) for name, found in rows.items()}


def seen(unit: Unit) -> list[str] | None:
    """Sites that the caller may see; None = all."""
    sites = unit.caller.sites(unit.context.action)
    return None if sites is None else sorted(sites)


def _pages(edges: Sequence[Any], ends: Sequence[Any], certain: Collection[str]) -> list[Page]:
    """Edges with the first of the ends, then the rest of the ends."""
    pages = [Page(edges, ends[:PAGE], certain)] if edges or ends else []
    return pages + [Page((), ends[at : at + PAGE], certain) for at in range(PAGE, len(ends), PAGE)]
