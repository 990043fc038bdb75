"""Finding a place for goods: with the same lot, with the same item, empty; each with room (MAT-100)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import text

from services.chassis.db import json_text
from services.chassis.faults import Fault
from services.chassis.unit import Unit
from services.materials.model import capacity, location
from services.materials.model.handling_unit import Path
from services.materials.model.item import Item
from services.materials.model.location import LocationLocked
from services.materials.rules import capacity as rule
from services.materials.rules.capacity import Goods

MOST = 50
"""Places that are looked at for each reason, and given."""


class Fit(StrEnum):
    SAME_LOT = "SAME_LOT"
    SAME_ITEM = "SAME_ITEM"
    EMPTY = "EMPTY"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Goods that look for a place, and where they are."""

    goods: Goods
    from_location: str = ""

    @classmethod
    def of(
        cls, item: Item, quantity: Decimal, *, from_location: str = "", around: Path | None = None, **more: Any
    ) -> "Wanted":
        """A quantity of an item in its base unit, in a handling unit or loose."""
        return cls(
            Goods(
                item=item.name, quantity=quantity, unit_code=item.base_unit_code, item_class=item.item_class,
                weight=quantity * (item.gross_weight or 0), volume=quantity * (item.volume or 0),
                handling_unit=around.root if around else "", handling_unit_type=around.types[-1] if around else "",
                **more,
            ),
            from_location,
        )  # fmt: skip


@dataclass(slots=True)
class Found:
    """Places with room, best first, and those passed over with the refusal that a posting would meet."""

    candidates: list[tuple[str, Fit]] = field(default_factory=list)
    passed_over: list[tuple[str, Fit, Fault]] = field(default_factory=list)

    @property
    def why_none(self) -> str:
        """Why there is no place."""
        if self.candidates:
            return ""
        if not self.passed_over:
            return "no storage place holds the item or is empty"
        return f"{len(self.passed_over)} places were passed over; the first: {self.passed_over[0][2].message}"


_PLACES = text("""
    with wanted as (
      select * from jsonb_to_recordset(cast(:wanted as jsonb))
        as w(n int, item text, lot text, item_class text, from_location text)
    ), empty as (
      select c.item_class, e.name
      from (select distinct item_class from wanted) c
      cross join lateral (
        (select l.name, true as apt from (
           select x.* from location x where x.site = :site and x.kind = 'STORAGE' order by x.path_order, x.name) l
         where not l.blocked and coalesce(l.limits -> 'item_classes' @> to_jsonb(c.item_class), true)
           and not exists (select from location_lock k where k.location = l.name and k.direction <> 'OUTBOUND')
           and not exists (select from balance b where b.site = :site and b.location = l.name and b.on_hand > 0)
           and not exists (select from coming_tasks(:site, array[l.name]) t)
         limit :most + (select count(*) from wanted))
        union all
        (select l.name, false from (
           select x.* from location x where x.site = :site and x.kind = 'STORAGE' order by x.path_order, x.name) l
         where (l.blocked or not coalesce(l.limits -> 'item_classes' @> to_jsonb(c.item_class), true)
           or exists (select from location_lock k where k.location = l.name and k.direction <> 'OUTBOUND'))
           and not exists (select from balance b where b.site = :site and b.location = l.name and b.on_hand > 0)
           and not exists (select from coming_tasks(:site, array[l.name]) t)
         limit :most)) e
    )
    select w.n, x.rank, l.name, l.blocked, l.limits, k.direction, k.reason, k.lock_time
    from wanted w
    cross join lateral (
      (select h.location, case when bool_or(h.lot <> '' and h.lot = w.lot) then 0 else 1 end as rank
       from (
         select b.location, b.lot from balance b
         where b.site = :site and b.item = w.item and b.on_hand > 0 and not b.virtual
         union all
         select t.proposed_location, t.lot from put_away_task t
         where t.site = :site and t.item = w.item and t.proposed_location <> ''
           and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING')) h
       join location p on p.name = h.location and p.kind = 'STORAGE'
       group by h.location, p.path_order order by 2, p.path_order, 1 limit 2 * :most)
      union all
      select e.name, 2 from empty e where e.item_class = w.item_class) x
    join location l on l.name = x.location and l.name <> w.from_location
    left join lateral (
      select * from location_lock y where y.location = l.name and y.direction <> 'OUTBOUND'
      order by y.direction limit 1) k on true
    order by w.n, x.rank, l.path_order, l.name
""")
_CONTENT = text("select * from place_content(:site, cast(:places as text[]))")


async def find(unit: Unit, site: str, wanted: Sequence[Wanted], *, bound_for: Sequence[str] = ()) -> list[Found]:
    """Places for each of the goods, in a constant number of statements.

    With `bound_for`, places that the unit posts to later, the first place found counts as taken for the goods behind,
    and the places are locked until the commit, so that two who look at once do not find the same room (MAT-33).
    """
    content = json_text(
        [
            {
                "n": number, "item": row.goods.item, "lot": row.goods.lot, "item_class": row.goods.item_class,
                "from_location": row.from_location,
            }
            for number, row in enumerate(wanted)
        ]
    )  # fmt: skip
    rows = (await unit.execute(_PLACES, {"site": site, "wanted": content, "most": MOST})).all()
    limited = {row.name for row in rows if row.limits is not None}
    if bound_for:
        await location.hold(unit, [*limited, *bound_for])
    there = await _content(unit, site, limited)
    return _judged(wanted, rows, there, keep=bool(bound_for))


_NAMED = text("""
    select l.name, l.blocked, l.limits, k.direction, k.reason, k.lock_time
    from location l
    left join lateral (
      select * from location_lock y where y.location = l.name and y.direction <> 'OUTBOUND'
      order by y.direction limit 1) k on true
    where l.name = any(cast(:names as text[]))
""")


async def room(unit: Unit, site: str, wanted: Sequence[tuple[Wanted, str]]) -> list[Fault | None]:
    """Why each of the goods does not fit into the place named for it, those before it counted (MAT-33).

    Places with limits are locked until the commit. A constant number of statements.
    """
    names = sorted({name for _, name in wanted})
    if not names:
        return []
    await location.hold(unit, names)
    rows = {row.name: row for row in await unit.execute(_NAMED, {"names": names})}
    there = await _content(unit, site, {row.name for row in rows.values() if row.limits is not None})
    found: list[Fault | None] = []
    for goods, name in wanted:
        fault = _fault(rows[name], there.get(name, []), goods.goods)
        found.append(fault)
        if fault is None:
            there.setdefault(name, []).append(replace(goods.goods, coming=True))
    return found


def _judged(wanted: Sequence[Wanted], rows: Sequence[Any], there: dict[str, list[Goods]], *, keep: bool) -> list[Found]:
    """Places for each; with `keep` the first one is taken, and what is in one handling unit stays together."""
    found = [Found() for _ in wanted]
    known = {row.name: row for row in rows}
    taken: dict[str, str] = {}
    together: dict[str, str] = {}
    fitting: dict[int, list[Any]] = {}
    for row in rows:
        fitting.setdefault(row.n, []).append(row)
    for number, (goods, into) in enumerate(zip((row.goods for row in wanted), found, strict=True)):
        bound = known.get(together.get(goods.handling_unit, ""))
        for row in [bound] if bound is not None else fitting.get(number, []):
            fit = list(Fit)[row.rank]
            if bound is None and fit is Fit.EMPTY and taken.get(row.name, goods.item) != goods.item:
                continue  # empty no more: goods before these go there
            fault = _fault(row, there.get(row.name, []), goods)
            if fault is not None:
                into.passed_over.append((row.name, fit, fault))
                continue
            into.candidates.append((row.name, fit))
            if keep:
                taken.setdefault(row.name, goods.item)
                there.setdefault(row.name, []).append(replace(goods, coming=True))
                if goods.handling_unit:
                    together[goods.handling_unit] = row.name
                break
    return found


def _fault(row: Any, content: Sequence[Goods], goods: Goods) -> Fault | None:
    if row.blocked or row.direction:
        lock = "BLOCKED" if row.blocked else row.direction
        return LocationLocked.by(row.name, lock, row.reason or "", row.lock_time.isoformat() if row.lock_time else "")
    refusal = rule.refusal(capacity.limits_of(row.limits), content, goods)
    return capacity.fault_of(row.name, refusal) if refusal is not None else None


async def _content(unit: Unit, site: str, places: set[str]) -> dict[str, list[Goods]]:
    found: dict[str, list[Goods]] = {}
    if places:
        for row in await unit.execute(_CONTENT, {"site": site, "places": sorted(places)}):
            found.setdefault(row.location, []).append(
                Goods(
                    item=row.item, quantity=row.quantity, lot=row.lot, owner=row.owner, status=row.status,
                    handling_unit=row.handling_unit, weight=row.weight, volume=row.volume, coming=row.coming,
                )
            )  # fmt: skip
    return found
