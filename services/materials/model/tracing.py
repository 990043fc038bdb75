"""Traces: what lots and serials went into and came from, step by step over the edges (MAT-136).

A step asks the database for the edges of the lots that the step before found first, so that each edge is read once,
in the order in which it is told; what was found is kept here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import text

from services.chassis.db import json_text
from services.chassis.unit import Unit
from services.materials.rules.mass_balance import MassBalance, Row, balanced

T = TypeVar("T")

PAGE = 500
DEPTH, NODES = 50, 100_000
"""How far and how wide a trace goes when nobody says otherwise."""
_AT_ONCE = 4
"""Pages that are read together."""
_FEWEST, _MOST = 100, 10_000
"""Lots whose edges one statement asks for: so many that it gives about that many pages, as far as those before tell."""

# Names come as JSON: the driver looks twice at each element of an array, and the planner at those behind `any`. Both
# take longer than the edges of most lots. An edge of a reversed movement is none.
_EDGES = """
    from json_array_elements_text(cast($1 as json)) with ordinality f(lot, n) join genealogy_edge e on e.FROM = f.lot
    where e.effective_time >= coalesce(cast($2 as timestamptz), '-infinity')
      and e.effective_time < coalesce(cast($3 as timestamptz), 'infinity')
      and (e.certain or not cast($4 as boolean))
      and (cast($5 as text[]) is null or split_part(e.movement, '/', 2) = any(cast($5 as text[])))
      and not exists (select from movement m where m.reverses = e.movement and m.reverses <> '')
"""
_STEP = """
    select e.input_lot, e.output_lot, e.certain, e.item, trim_scale(e.quantity)::text as quantity, e.unit_code,
           e.movement, (extract(epoch from e.effective_time) * 1000000)::bigint as effective_us, e.operation,
           e.production_order, e.handling_unit
    EDGES order by f.n, e.TO, e.movement
"""
_REACHED = "select distinct e.TO EDGES"
_FURTHER = "select exists (select EDGES)"
# entries of lots by their balances, for which there is an index; those of serials by themselves
_ENTRIES = """
      select e.lot as node, e.serial, e.quantity, e.unit_code, e.effective_time, e.movement
      from json_array_elements_text(cast(:lots as json)) n(lot) cross join site_fact f
        join balance b on b.site = split_part(f.name, '/', 2) and b.lot = n.lot
        join location l on l.name = b.location and l.kind = any(cast(:kinds as text[]))
        join movement_entry e on e.balance = b.name
      where cast(:sites as text[]) is null or b.site = any(cast(:sites as text[]))
      union all
      select e.serial, '', e.quantity, e.unit_code, e.effective_time, e.movement
      from json_array_elements_text(cast(:serials as json)) n(serial)
        join movement_entry e on e.serial = n.serial and e.serial <> ''
        join location l on l.name = e.location and l.kind = any(cast(:kinds as text[]))
      where cast(:sites as text[]) is null or e.site = any(cast(:sites as text[]))
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
      from json_array_elements_text(cast(:lots as json)) n(lot) cross join site_fact f
        join balance b on b.site = split_part(f.name, '/', 2) and b.lot = n.lot
        join location l on l.name = b.location
      where cast(:sites as text[]) is null or b.site = any(cast(:sites as text[]))
    ), crossed as (
      select t.node, t.place, e.movement, e.quantity from there t join movement_entry e on e.balance = t.name
      where t.virtual
      union all
      select e.serial, l.kind, e.movement, e.quantity
      from json_array_elements_text(cast(:serials as json)) n(serial)
        join movement_entry e on e.serial = n.serial and e.serial <> ''
        join balance b on b.name = e.balance and b.virtual join location l on l.name = e.location
      where cast(:sites as text[]) is null or e.site = any(cast(:sites as text[]))
    )
    select t.node, t.place, '' as kind, false as out, sum(t.on_hand) as quantity
    from there t where not t.virtual group by t.node, t.place
    union all
    select s.name, l.kind, '', false, b.on_hand
    from json_array_elements_text(cast(:serials as json)) n(serial) join serial s on s.name = n.serial
      join balance b on b.name = s.balance join location l on l.name = b.location
    where cast(:sites as text[]) is null or b.site = any(cast(:sites as text[]))
    union all
    select c.node, c.place, coalesce(o.kind, m.kind), (c.quantity > 0) = (o.name is null), sum(c.quantity)
    from crossed c join movement m on m.name = c.movement
      left join movement o on o.name = m.reverses and m.reverses <> ''
    group by 1, 2, 3, 4
""")


def _ways(statement: str) -> tuple[str, str]:
    """A statement backward and forward."""
    whole = statement.replace("EDGES", _EDGES)
    backward = whole.replace("e.FROM", "e.output_lot").replace("e.TO", "e.input_lot")
    return backward, whole.replace("e.FROM", "e.input_lot").replace("e.TO", "e.output_lot")


_STEPS, _REACHES, _FURTHERS = _ways(_STEP), _ways(_REACHED), _ways(_FURTHER)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a trace goes: steps, lots, and the time of the edges."""

    depth: int = DEPTH
    nodes: int = NODES
    start: datetime | None = None
    end: datetime | None = None
    certain_only: bool = False


Edge = tuple[Any, int, bool]
"""An edge as `_STEP` gives it; steps from where the trace began, by the shortest way; whether it and a way to it are
certain. A plain tuple, for there are tens of thousands."""


@dataclass(slots=True)
class Page:
    """Some edges, and what left the plant, or came, of the lots that they reached first."""

    edges: list[Edge] = field(default_factory=list)
    reached: dict[str, bool] = field(default_factory=dict)
    """Lots that the page reached first: name -> whether a certain way leads to it."""
    ends: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class Trace:
    """A trace from one lot or serial; what is known of it when all pages were read."""

    unit: Unit
    name: str
    forward: bool
    bounds: Bounds = Bounds()
    reached: int = 0
    complete: bool = True
    _known: set[str] = field(default_factory=set)
    _certain: set[str] | None = None
    """Lots that a certain way leads to; None as long as that is all of them, because each edge was certain."""

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Pages of at most 500 edges, the nearest first, and of at most 500 ends.

        The next ones are read while one is dealt with: until the last, the unit's transaction is the trace's alone.
        """
        async with aclosing(_ahead(self._with_ends())) as found:
            async for pages in found:
                for page in pages:
                    yield page

    async def _with_ends(self) -> AsyncGenerator[list[Page], None]:
        pages: list[Page] = []
        async for page in self._walk():
            pages.append(page)
            if len(pages) == _AT_ONCE:
                yield await self._ended(pages)
                pages = []
        if pages:
            yield await self._ended(pages)

    async def _ended(self, pages: Sequence[Page]) -> list[Page]:
        """Pages with what ends there; ends beyond 500 on pages of their own."""
        of = {lot: page for page in pages for lot in page.reached}
        for end in await self._ends(list(of)):
            of[end.lot].ends.append(end)
        found = []
        for page in pages:
            page.ends, more = page.ends[:PAGE], page.ends[PAGE:]
            found += [page] if page.edges or page.ends else []
            found += [Page([], page.reached, more[at : at + PAGE]) for at in range(0, len(more), PAGE)]
        return found

    async def _walk(self) -> AsyncIterator[Page]:
        """Step by step; a lot is gone on from once, by the step after the one that found it."""
        self._known = known = {self.name}
        most, before, after = self.bounds.nodes, int(not self.forward), int(self.forward)
        page, here, depth = Page([], {self.name: True}), [self.name], 0
        while here and depth < self.bounds.depth:
            depth += 1
            there: list[str] = []
            async for rows in self._asked(_STEPS, here):
                if self._certain is None and not all([row[2] for row in rows]):
                    self._certain = await self._certainly(here, there, depth)
                certain = known if self._certain is None else self._certain
                for row in rows:
                    lot = row[after]
                    if lot not in known:
                        if len(known) > most:
                            self.complete = False
                            continue
                        known.add(lot)
                        there.append(lot)
                        page.reached[lot] = lot in certain
                    page.edges.append((row, depth, row[2] and row[before] in certain))
                    if len(page.edges) == PAGE:
                        yield page
                        page = Page()
            here = sorted(there)
        yield page
        self.reached = len(known) - 1
        if self.complete and here:
            self.complete = not any([rows[0][0] async for rows in self._asked(_FURTHERS, here)])

    async def _certainly(self, here: Sequence[str], there: Sequence[str], depth: int) -> set[str]:
        """Lots that a certain way leads to, where only certain ones led to the lots of a step and what it found yet."""
        certain, found = set(self._known), list(there)
        while here and depth <= self.bounds.depth and len(certain) <= self.bounds.nodes:
            async for rows in self._asked(_REACHES, here, certain_only=True):
                fresh = [lot for (lot,) in rows if lot not in certain]
                certain.update(fresh)
                found += fresh
            here, found, depth = found, [], depth + 1
        return certain

    async def _asked(
        self, ways: tuple[str, str], lots: Sequence[str], *, certain_only: bool = False
    ) -> AsyncIterator[Sequence[Any]]:
        """Rows about the edges of lots."""
        bounds = self.bounds
        values = (bounds.start, bounds.end, bounds.certain_only or certain_only, seen(self.unit))
        at, many = 0, _FEWEST
        while at < len(lots):
            count = 0
            names = json_text(lots[at : at + many])
            async for rows in self.unit.rows(ways[self.forward], names, *values, size=_AT_ONCE * PAGE):
                count += len(rows)
                yield rows
            at += many
            many = max(_FEWEST, min(_MOST, many * _AT_ONCE * PAGE // max(count, 1)))

    async def _ends(self, names: Sequence[str]) -> Sequence[Any]:
        where = {
            "lots": json_text([name for name in names if "/lots/" in name]), "sites": seen(self.unit),
            "serials": json_text([name for name in names if "/serials/" in name]),
            "kinds": ["CUSTOMER", "CONSUMED"] if self.forward else ["SUPPLIER"],
        }  # fmt: skip
        return (await self.unit.execute(_WENT if self.forward else _CAME, where)).all()


async def _ahead(source: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Items of a source, each asked for while the one before is dealt with."""
    coming = asyncio.ensure_future(anext(source, None))
    try:
        while (item := await coming) is not None:
            coming = asyncio.ensure_future(anext(source, None))
            yield item
    finally:
        coming.cancel()
        await asyncio.wait([coming])
        await source.aclose()


async def mass_balances(unit: Unit, names: Sequence[str]) -> dict[str, MassBalance]:
    """Where all of each lot or serial is; one statement."""
    where = {
        "lots": json_text([name for name in names if "/lots/" in name]), "sites": seen(unit),
        "serials": json_text([name for name in names if "/serials/" in name]),
    }  # fmt: skip
    rows: dict[str, list[Row]] = {name: [] for name in names}
    for row in await unit.execute(_MASS, where):
        rows[row.node].append((row.place, row.kind, row.out, row.quantity))
    return {name: balanced(found) for name, found in rows.items()}


def seen(unit: Unit) -> list[str] | None:
    """Sites that the caller may see; None = all."""
    sites = unit.caller.sites(unit.context.action)
    return None if sites is None else sorted(sites)
