"""Finding a place for goods by the steps of the policy that holds for them (MAT-100)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from services.chassis.db import json_text
from services.chassis.faults import Fault
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.model import capacity, item_settings, location, put_away_policy
from services.materials.model.decision import Decision
from services.materials.model.handling_unit import Path
from services.materials.model.item import Item
from services.materials.model.location import LocationLocked
from services.materials.rules import capacity as rule
from services.materials.rules import put_away
from services.materials.rules.capacity import Goods
from services.materials.rules.put_away import ZONED, Asked, Fit, Locked, Place, Plan, Step, Steps

MOST = 50
"""Places that are looked at for each reason, and given."""


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
    steps: dict[str, Step] = field(default_factory=dict)
    """Place -> the step that found it."""
    revision: str = ""
    decision: str = ""

    @property
    def why_none(self) -> str:
        """Why there is no place."""
        if self.candidates:
            return ""
        if not self.passed_over:
            return f"no step of {self.revision} finds a place" if self.revision else _NONE
        return f"{len(self.passed_over)} places were passed over; the first: {self.passed_over[0][2].message}"


_NONE = "no storage place holds the item or is empty"
_PLACES = text("""
    with wanted as (
      select * from jsonb_to_recordset(cast(:wanted as jsonb))
        as w(n int, item text, lot text, item_class text, from_location text, fixed_location text)
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
    select w.n, x.rank, '' as zone, l.name, l.path_order, l.blocked, l.limits, k.direction, k.reason, k.lock_time
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
      select e.name, 2 from empty e where e.item_class = w.item_class
      union all
      select w.fixed_location, 3 where w.fixed_location <> '') x
    join location l on l.name = x.location and l.name <> w.from_location
    left join lateral (
      select * from location_lock y where y.location = l.name and y.direction <> 'OUTBOUND'
      order by y.direction limit 1) k on true
    order by w.n, x.rank, l.path_order, l.name
""")
_ZONED = text("""
    with recursive wanted as (
      select w.n, w.item, w.lot, w.from_location, z.zone, z.overflow
      from jsonb_to_recordset(cast(:wanted as jsonb)) as w(n int, item text, lot text, from_location text, zones jsonb)
      cross join lateral jsonb_to_recordset(w.zones) as z(zone text, overflow boolean)
    ), below as (
      select distinct zone, zone as name from wanted
      union
      select b.zone, l.name from below b join location l on l.parent_location = b.name
    ), place as materialized (
      select b.zone, l.name, l.path_order, l.blocked or k.direction is not null as shut,
             coalesce(h.items, '{}') as items, coalesce(h.lots, '{}') as lots
      from below b
      join location l on l.name = b.name and l.site = :site and l.kind = 'STORAGE'
      left join lateral (
        select y.direction from location_lock y
        where y.location = l.name and y.direction <> 'OUTBOUND' limit 1) k on true
      left join lateral (
        select array_agg(distinct x.item) as items, array_agg(distinct x.lot) as lots
        from (
          select s.item, s.lot from balance s where s.site = :site and s.location = l.name and s.on_hand > 0
          union all
          select t.item, t.lot from coming_tasks(:site, array[l.name]) t where t.item <> '') x) h on true
    ), asked as (
      select distinct item, lot, zone, overflow from wanted
    ), looked as (
      select a.item, a.lot, a.zone, a.overflow, x.name, x.rank
      from asked a
      cross join lateral (
        select p.name, p.path_order, p.shut,
               case when p.items = '{}' then 2 when a.item <> all(p.items) then 3
                    when a.lot <> '' and a.lot = any(p.lots) then 0 else 1 end as rank
        from place p
        where p.zone = a.zone and (a.overflow or p.items = '{}' or a.item = any(p.items))
        order by p.shut, p.path_order, p.name limit :most + (select count(*) from wanted)) x
    )
    select w.n, x.rank, x.zone, l.name, l.path_order, l.blocked, l.limits, k.direction, k.reason, k.lock_time
    from wanted w
    join looked x on x.item = w.item and x.lot = w.lot and x.zone = w.zone and x.overflow = w.overflow
    join location l on l.name = x.name and l.name <> w.from_location
    left join lateral (
      select * from location_lock y where y.location = l.name and y.direction <> 'OUTBOUND'
      order by y.direction limit 1) k on true
""")
_CONTENT = text("select * from place_content(:site, cast(:places as text[]))")


async def find(
    unit: Unit, site: str, wanted: Sequence[Wanted], *, bound_for: Sequence[str] = (), decide: bool = False
) -> list[Found]:
    """Places for each of the goods, in a constant number of statements.

    With `bound_for`, places that the unit posts to later, the first place found counts as taken for the goods behind,
    and the places are locked until the commit, so that two who look at once do not find the same room (MAT-33).
    With `decide` what a policy decided is kept (MAT-162).
    """
    steps = await put_away_policy.steps_of(unit, site, [row.goods for row in wanted])
    known = await item_settings.put_away_of(unit, site, {row.goods.item for row in wanted})
    asked = [replace(known.get(row.goods.item, Asked(row.goods)), goods=row.goods) for row in wanted]
    rows = await _look(unit, site, wanted, asked, steps)
    limited = {row.name for row in rows if row.limits is not None}
    if bound_for:
        await location.hold(unit, [*limited, *bound_for])
    there = await _content(unit, site, limited)
    return _Search(unit, site, _seen(rows), there, keep=bool(bound_for), decide=decide).run(asked, steps)


async def _look(
    unit: Unit, site: str, wanted: Sequence[Wanted], asked: Sequence[Asked], steps: Sequence[Steps]
) -> list[Any]:
    """Places that the steps may find, with why; one statement, and one more where a step names a zone."""
    entries = [
        {
            "n": number, "item": row.goods.item, "lot": row.goods.lot, "item_class": row.goods.item_class,
            "from_location": row.from_location,
            "fixed_location": about.fixed_location if not row.goods.handling_unit else "",
            "zones": [
                {"zone": step.zone, "overflow": step.step is Step.OVERFLOW}
                for step in dict.fromkeys(said.steps)
                if step.step in ZONED and about.has(step)
            ],
        }
        for number, (row, about, said) in enumerate(zip(wanted, asked, steps, strict=True))
    ]  # fmt: skip
    rows = list(await unit.execute(_PLACES, {"site": site, "wanted": json_text(entries), "most": MOST}))
    if any(entry["zones"] for entry in entries):
        rows += list(await unit.execute(_ZONED, {"site": site, "wanted": json_text(entries), "most": MOST}))
    return rows


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


def _seen(rows: Sequence[Any]) -> dict[int, dict[str, Place]]:
    """Number of the goods -> places by name, each as what it is best for."""
    found: dict[int, dict[str, Place]] = {}
    fits = list(Fit)
    for row in rows:
        mine = found.setdefault(row.n, {})
        before = mine.get(row.name)
        zones = frozenset([row.zone]) - {""}
        if before is None:
            mine[row.name] = Place(
                row.name, row.path_order, fits[row.rank], zones, _locked(row),
                capacity.limits_of(row.limits) if row.limits is not None else None,
            )  # fmt: skip
        else:
            best = fits[min(fits.index(before.fit), row.rank)]
            mine[row.name] = replace(before, fit=best, zones=before.zones | zones)
    return found


@dataclass(slots=True)
class _Search:
    """Goods after goods; with `keep` the first place found is taken for those behind."""

    unit: Unit
    site: str
    seen: Mapping[int, dict[str, Place]]
    there: dict[str, list[Goods]]
    keep: bool
    decide: bool
    taken: dict[str, str] = field(default_factory=dict)
    together: dict[str, Place] = field(default_factory=dict)

    def run(self, asked: Sequence[Asked], steps: Sequence[Steps]) -> list[Found]:
        """What is found for each."""
        return [self._one(number, *each) for number, each in enumerate(zip(asked, steps, strict=True))]

    def _one(self, number: int, asked: Asked, steps: Steps) -> Found:
        goods = asked.goods
        places = list(self.seen.get(number, {}).values())
        bound = self.together.get(goods.handling_unit)
        if bound is not None:
            asked, places = replace(asked, together=bound.name), [bound]
        places = [self._now(row, goods) for row in places]
        found = Found(revision=steps.revision)
        if self.decide and steps.revision:
            made, inputs, outcome = put_away.record(steps, asked, places)
            found.decision = _keep(self.unit, self.site, asked, steps, inputs, outcome)
        else:
            made = put_away.plan(steps.steps, asked, places, first=self.keep)
        _tell(found, made)
        if self.keep and made.candidates:
            place = made.candidates[0][0]
            self.taken.setdefault(place.name, goods.item)
            self.there.setdefault(place.name, []).append(replace(goods, coming=True))
            if goods.handling_unit:
                self.together.setdefault(goods.handling_unit, place)
        return found

    def _now(self, place: Place, goods: Goods) -> Place:
        """With what it holds; empty no more where goods before these go there."""
        gone = place.fit is Fit.EMPTY and self.taken.get(place.name, goods.item) != goods.item
        content = self.there.get(place.name, ()) if place.limits is not None else ()
        return replace(place, fit=Fit.OTHER if gone else place.fit, content=content)


def _tell(found: Found, made: Plan) -> None:
    for place, step in made.candidates:
        found.candidates.append((place.name, place.fit))
        found.steps[place.name] = step
    for place, step, refusal in made.passed:
        fault = _shut(place.name, refusal) if isinstance(refusal, Locked) else capacity.fault_of(place.name, refusal)
        found.passed_over.append((place.name, place.fit, fault))
        found.steps[place.name] = step


def _keep(unit: Unit, site: str, asked: Asked, steps: Steps, inputs: object, outcome: dict[str, Any]) -> str:
    """What was decided, for good (MAT-162); gives its name."""
    goods = asked.goods
    what = f"{canonical(goods.quantity)} {goods.unit_code} of {goods.item}"
    decision = Decision(
        name=unit.new_name(f"sites/{site}", Decision.COLLECTION), site=site, kind=put_away_policy.KIND, item=goods.item,
        revision=steps.revision, inputs=json_text(inputs), outcome=json_text(outcome),
        explanation=put_away.words(outcome, what), create_time=unit.now,
    )  # fmt: skip
    unit.session.add(decision)
    return decision.name


def _locked(row: Any) -> Locked | None:
    if not row.blocked and not row.direction:
        return None
    since = row.lock_time.isoformat() if row.lock_time else ""
    return Locked("BLOCKED" if row.blocked else row.direction, row.reason or "", since)


def _shut(place: str, locked: Locked) -> Fault:
    return LocationLocked.by(place, locked.lock, locked.reason, locked.since)


def _fault(row: Any, content: Sequence[Goods], goods: Goods) -> Fault | None:
    locked = _locked(row)
    if locked is not None:
        return _shut(row.name, locked)
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
