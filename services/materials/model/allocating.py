"""Taking stock for reservations: what there is, who comes first, and the decision that is kept (MAT-70 .. MAT-89)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select, text

from services.chassis.db import json_text
from services.chassis.query import among
from services.chassis.unit import Unit
from services.materials.model.decision import Decision
from services.materials.model.item import SiteFact
from services.materials.model.reservation import WAITING, Reservation
from services.materials.rules import decisions
from services.materials.rules.allocation import Candidate, Key, Rules

ZERO = Decimal(0)

_CANDIDATES = text("""
    select b.item, b.name, b.location, b.lot, b.on_hand - b.reserved as free, b.unit_code, lot.expire_date,
           lot.first_receipt_time, l.path_order, b.serial, b.status, b.owner || b.project as owner, b.handling_unit,
           coalesce(s.minimum_remaining_life_days, i.minimum_remaining_life_days) as life_days,
           coalesce(hold_of(b.site, b.item, b.lot, b.serial, b.handling_unit, b.location), '') as held_by,
           case when l.blocked then 'BLOCKED' else coalesce((
             select k.direction from location_lock k where k.location = l.name and k.direction <> 'INBOUND'
             order by k.direction limit 1), (
             select 'BIN' from bin_lock k where k.location = b.location and k.item = b.item limit 1), '') end as locked,
           coalesce(t.unbreakable, false) as unbreakable,
           case when b.handling_unit = '' then 0
             else sum(b.on_hand) over (partition by b.item, b.handling_unit) end as unit_quantity,
           sum(b.on_hand) over (partition by b.item, b.location) as place_quantity
    from balance b
    join location l on l.name = b.location and l.kind <> 'TRANSIT'
    join item i on i.name = b.item
    left join item_settings s on s.site = b.site and s.item = b.item
    left join lot on lot.name = b.lot
    left join handling_unit h on h.name = b.handling_unit
    left join handling_unit_type t on t.name = h.handling_unit_type
    where b.site = :site and b.item = any(cast(:items as text[])) and not b.virtual and b.on_hand > 0
""")
_LIFE_DAYS = text("""
    select i.name, coalesce(s.minimum_remaining_life_days, i.minimum_remaining_life_days) as life_days
    from item i left join item_settings s on s.site = :site and s.item = i.name
    where i.name = any(cast(:items as text[]))
""")
_TAKE = text("""
    update balance b set reserved = b.reserved + t.amount, update_time = now()
    from unnest(cast(:names as text[]), cast(:amounts as numeric[])) as t(name, amount)
    where b.name = t.name and b.on_hand - b.reserved >= t.amount returning b.name
""")
_GIVE = text("""
    update balance b set reserved = b.reserved - t.amount, update_time = now()
    from unnest(cast(:names as text[]), cast(:amounts as numeric[])) as t(name, amount)
    where b.name = t.name
""")
_PATHS = text("select name, path_order from location where name = any(cast(:names as text[]))")


@dataclass(slots=True)
class Stock:
    """What reservations may take from: candidates by item, and the policy of each."""

    candidates: dict[str, list[Candidate]] = field(default_factory=dict)
    rules: Mapping[str, Rules] = field(default_factory=dict)


async def candidates(unit: Unit, site: str, items: Iterable[str]) -> dict[str, list[Candidate]]:
    """Stock by item with all that may keep a claim from it; in one statement."""
    found: dict[str, list[Candidate]] = {}
    for row in await unit.execute(_CANDIDATES, {"site": site, "items": sorted(set(items))}):
        found.setdefault(row.item, []).append(
            Candidate(
                balance=row.name, location=row.location, lot=row.lot, free=row.free, unit_code=row.unit_code,
                expires=row.expire_date, received=row.first_receipt_time, path=row.path_order,
                life_days=row.life_days, serial=row.serial, status=row.status, owner=row.owner, held_by=row.held_by,
                locked=row.locked, handling_unit=row.handling_unit, unbreakable=row.unbreakable,
                unit_quantity=row.unit_quantity, place_quantity=row.place_quantity,
            )
        )  # fmt: skip
    return found


async def life_days(unit: Unit, site: str, items: Iterable[str]) -> dict[str, int]:
    """Days that a lot of an item must still be usable after the need at a site (MAT-87)."""
    rows = await unit.execute(_LIFE_DAYS, {"site": site, "items": sorted(set(items))})
    return {row.name: row.life_days for row in rows}


async def allocate(unit: Unit, rows: Sequence[Reservation], stock: Stock, fact: SiteFact, *, told: bool) -> None:
    """Take free stock for reservations in their order, each balance guarded (MAT-70), with one statement.

    The caller holds the items, so that what is free stays free. The decision of each item is kept when something was
    taken, or when it is `told` why nothing was.
    """
    paths = await _paths(unit, rows, stock)
    by_item: dict[str, list[Reservation]] = {}
    for row in rows:
        by_item.setdefault(row.item, []).append(row)
    amounts: dict[str, Decimal] = {}
    wanted: list[tuple[Reservation, Candidate, Decimal]] = []
    decided: list[tuple[list[Reservation], object, dict[str, object], Rules]] = []
    for item, mine in by_item.items():
        rules, there = stock.rules.get(item, Rules()), stock.candidates.get(item, [])
        demands = [row.demand_on(fact, unit.now, rules, paths.get(row.delivery_location)) for row in mine]
        plans, inputs, outcome = decisions.record(demands, there, rules)
        taken = [(row, *each) for row, plan in zip(mine, plans, strict=True) for each in plan.taken]
        if taken or told:
            decided.append((mine, inputs, outcome, rules))
        for _, candidate, amount in taken:
            amounts[candidate.balance] = amounts.get(candidate.balance, ZERO) + amount
        wanted += taken
    got = await take(unit, amounts)
    for each in decided:
        _decide(unit, *each)
    for row, candidate, amount in wanted:
        if candidate.balance in got:
            row.took(candidate.balance, candidate.location, candidate.lot, amount, candidate.serial)


def _decide(unit: Unit, rows: Sequence[Reservation], inputs: object, outcome: dict[str, object], rules: Rules) -> None:
    first = rows[0]
    name = unit.new_name(f"sites/{first.site}", Decision.COLLECTION)
    unit.session.add(
        Decision(
            name=name, site=first.site or "", kind="ALLOCATION", item=first.item, revision=rules.revision,
            inputs=json_text(inputs), outcome=json_text(outcome),
            explanation=decisions.words(outcome, first.unit_code), create_time=unit.now,
        )
    )  # fmt: skip
    for row in rows:
        row.decision = name


async def _paths(unit: Unit, rows: Sequence[Reservation], stock: Stock) -> dict[str, int]:
    """Where on the path goods are brought to, for policies that order by distance."""
    if not any(each.key is Key.DISTANCE for rules in stock.rules.values() for each in rules.order):
        return {}
    names = sorted({row.delivery_location for row in rows if row.delivery_location})
    return {row.name: row.path_order for row in await unit.execute(_PATHS, {"names": names})}


async def take(unit: Unit, amounts: Mapping[str, Decimal]) -> set[str]:
    """Raise what is reserved of balances; gives those that had so much free (MAT-70)."""
    if not amounts:
        return set()
    names = sorted(amounts)
    rows = await unit.execute(_TAKE, {"names": names, "amounts": [amounts[name] for name in names]})
    return {row.name for row in rows}


async def give(unit: Unit, amounts: Mapping[str, Decimal]) -> None:
    """Lower what is reserved of balances."""
    names = sorted(amounts)
    if names:
        await unit.execute(_GIVE, {"names": names, "amounts": [amounts[name] for name in names]})


async def give_back(unit: Unit, *rows: Reservation) -> None:
    """Give all allocations back to their balances; one statement."""
    amounts: dict[str, Decimal] = {}
    for row in rows:
        for taken in row.allocations:
            amounts[taken.balance] = amounts.get(taken.balance, ZERO) + taken.quantity
    await give(unit, amounts)
    for row in rows:
        for taken in list(row.allocations):
            row.gave(taken, taken.quantity)


def turn(row: Reservation) -> tuple[int, bool, float, datetime, str]:
    """Whose claim comes first: priority, need, age, name (MAT-78)."""
    need = row.need_time.timestamp() if row.need_time is not None else 0.0
    return row.priority, row.need_time is None, need, row.create_time, row.name


def pegged(row: Reservation, orders: Iterable[str], rules: Mapping[str, Rules]) -> bool:
    """Whether goods of these orders were ordered for it, and its policy honours that (MAT-78)."""
    return rules.get(row.item, Rules()).honour_pegging and row.supply in orders


async def waiting(unit: Unit, site: str, items: Iterable[str]) -> list[Reservation]:
    """Reservations that wait for items, by item in the order of their claim (MAT-78); locked."""
    return list(
        await unit.all(
            select(Reservation)
            .where(
                Reservation.site == site,  # type: ignore[arg-type]
                among(Reservation.item, items),
                Reservation.state.in_(WAITING),  # type: ignore[attr-defined]
            )
            .order_by(
                Reservation.item,
                Reservation.priority,  # type: ignore[arg-type]
                Reservation.need_time.nulls_last(),  # type: ignore[union-attr]
                Reservation.create_time,  # type: ignore[arg-type]
                Reservation.name,
            )
            .with_for_update(of=Reservation)
        )
    )
