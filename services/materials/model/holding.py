"""Placing and releasing holds: what they match, whom they break, and what is told of it (MAT-63, MAT-64)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from plantops.materials.v1 import events_pb2 as events
from plantops.type.v1.quantity_pb2 import Quantity
from sqlalchemy import select, text
from sqlalchemy.orm.exc import StaleDataError

from services.chassis.unit import Unit
from services.chassis.wire import quantity
from services.materials.model import handling_unit, ledger, replenishing, stock
from services.materials.model import location as locations
from services.materials.model.breaking import Broken, break_claims
from services.materials.model.hold import HeldLot, Hold, HoldTarget, LotOnHold, Scope
from services.materials.model.location import Location
from services.materials.model.receipt import Receipt

Group = tuple[str, str]
"""Item and lot, the lot "" where lots are not tracked: what is told of as one."""

SHOWN = 500

_RECEIVED = text("""
    select distinct h.name as hold, coalesce(s.serial, nullif(l.lot, ''), l.item) as target
    from hold h
    join site_fact f on f.name = 'sites/' || h.site
    join receipt r on r.site = h.site and r.supplier = h.supplier and r.state = 'POSTED'
      and (r.post_time at time zone f.time_zone)::date
          between coalesce(h.from_date, '-infinity') and coalesce(h.to_date, 'infinity')
    join receipt_line l on l.receipt = r.name and l.item = h.item
    left join lateral unnest(l.serials) s(serial) on true
    where h.scope = 'SUPPLIER' and h.state = 'ACTIVE' and h.site = :site
      and (cast(:hold as text) = '' or h.name = :hold) and (cast(:receipt as text) = '' or r.name = :receipt)
    order by 1, 2
""")
_AIM = text("""
    insert into hold_target (hold, target, site, active)
    select g.hold, d.target, :site, true
    from unnest(cast(:holds as text[]), cast(:targets as text[])) g(hold, target)
    join hold h on h.name = g.hold and h.state = 'ACTIVE',
    lateral (select g.target union
             select x.lot from with_descendants(array[g.target]) x(lot) where h.include_descendants) d(target)
    on conflict do nothing
""")
_GROUPS = text("""
    select b.item, b.lot from stock_under(:hold) b
    union
    select l.item, l.name from hold_target t join lot l on l.name = t.target where t.hold = :hold and t.active
    union
    select i.name, '' from hold_target t join item i on i.name = t.target where t.hold = :hold and t.active
    order by 1, 2
""")
_CLAIMED = text("select b.name, b.unit_code from stock_under(:hold) b where b.reserved > 0 order by 1")
_CLAIMED_AT = text("""
    select distinct b.name, b.item from hold h cross join lateral stock_under(h.name) b
    where h.site = :site and h.state = 'ACTIVE' and b.reserved > 0 order by 1
""")
_FINDERS = text("""
    select distinct s ->> 'person' from inspection_lot i, jsonb_array_elements(i.splits) s
    where i.site = :site and s ->> 'outcome' <> 'UNRESTRICTED' and (i.name = :inspection_lot or (
      i.lot <> '' and i.item = any(cast(:items as text[])) and i.lot = any(cast(:lots as text[]))))
""")
_STAND = text("""
    select g.item, g.lot, coalesce(l.supplier, '') as supplier, hold_of(:site, g.item, g.lot, '', '', '') as of_lot,
           b.name, b.location, b.handling_unit, b.serial, b.status, b.on_hand, b.unit_code,
           hold_of(:site, b.item, b.lot, b.serial, b.handling_unit, b.location) as hold
    from unnest(cast(:items as text[]), cast(:lots as text[])) g(item, lot)
    left join lot l on l.name = g.lot
    left join balance b on b.site = :site and b.item = g.item and b.lot = g.lot and not b.virtual and b.on_hand <> 0
    order by g.item, g.lot, b.location, b.name
""")
_DIFFERENT = text("""
    with there as (
      select distinct b.item, b.lot from hold h cross join lateral stock_under(h.name) b
      where h.site = :site and h.state = 'ACTIVE'
    ), told as (
      select item, lot from held_lot where site = :site and held
    )
    select item, lot from (table there except table told union (table told except table there)) d order by 1, 2
""")
_HELD_THERE = text("""
    select 1 from balance b
    where b.site = :site and b.location = any(cast(:places as text[])) and b.reserved > 0
      and exists (select from hold_target t where t.site = :site and t.active)
      and hold_of(b.site, b.item, b.lot, b.serial, b.handling_unit, b.location) is not null limit 1
""")
_SITES = text("select site from hold_target where active union select site from held_lot where held order by 1")
_DROP = text("update hold_target set active = false where hold = :hold and active")
_REGROUPED = text("""
    select t.target, t.hold from hold_target t
    where t.site = :site and t.active and t.target = any(cast(:names as text[])) order by 2, 1 limit 1
""")
_AROUND = text("""
    select name from location_path(:before) union select name from location_path(:after)
""")
_LINES = text("""
    select l.line, min(hold_of(r.site, l.item, l.lot, coalesce(s.serial, ''), l.handling_unit, l.location)) as hold
    from receipt r join receipt_line l on l.receipt = r.name
    left join lateral unnest(l.serials) s(serial) on true
    where r.name = :receipt group by l.line
""")


async def place(unit: Unit, hold: Hold) -> list[tuple[str, Quantity]]:
    """Let a new hold match what it names: claims on it are broken, lots that nothing held before are told.

    Gives the reservations that lost something, and how much.
    """
    site = hold.site or ""
    groups = await take_up(unit, hold)
    claimed = {row.name: row.unit_code for row in await unit.execute(_CLAIMED, {"hold": hold.name})}
    broken = await break_claims(unit, site, dict.fromkeys(claimed), f"on hold by {hold.name}")
    await judge(unit, site, groups, broken=broken)
    await replenishing.ask(unit, site, *sorted({item for item, _ in groups}))
    return _lost(broken, claimed)


def _lost(broken: Iterable[Broken], units: Mapping[str, str]) -> list[tuple[str, Quantity]]:
    """What each reservation lost of some balances, whose units are given."""
    found: dict[tuple[str, str], Decimal] = {}
    for one in broken:
        if one.balance in units:
            key = one.reservation, units[one.balance]
            found[key] = found.get(key, Decimal(0)) + one.quantity
    return [(name, quantity(amount, unit_code)) for (name, unit_code), amount in sorted(found.items())]


async def take_up(unit: Unit, hold: Hold) -> Sequence[Group]:
    """Hold what a hold matches behind the locks of its stock, in the one order: items, units, places (MAT-74).

    Gives the lots concerned. When stock of another item came under it before all was locked, the command begins anew.
    """
    await unit.flush()
    site = hold.site or ""
    await _aim(unit, hold)
    items = {item for item, _ in await _groups(unit, hold)} | {hold.item} - {""}
    await ledger.hold(unit, site, items)
    if hold.scope is Scope.HANDLING_UNIT:
        await handling_unit.hold(unit, [hold.handling_unit])
    if hold.scope in (Scope.HANDLING_UNIT, Scope.LOCATION):
        await locations.still(unit, site)
    if hold.scope is Scope.LOCATION:
        await unit.get(Location, hold.location)
    await _aim(unit, hold)
    groups = await _groups(unit, hold)
    if not {item for item, _ in groups} <= items:
        raise StaleDataError(f"other stock came under {hold.name} meanwhile")
    return groups


async def lift(unit: Unit, hold: Hold, groups: Collection[Group]) -> None:
    """Let a released hold match nothing; what no other holds is told and given to who waits for it."""
    site = hold.site or ""
    await unit.flush()
    await unit.execute(_DROP, {"hold": hold.name})
    await judge(unit, site, groups, released=hold)
    await stock.serve(unit, site, {item for item, _ in groups})


async def finders(unit: Unit, hold: Hold, groups: Iterable[Group]) -> set[str]:
    """Who decided against goods of the lots concerned (MAT-66)."""
    items, lots = [item for item, _ in groups], [lot for _, lot in groups]
    where = {"site": hold.site, "inspection_lot": hold.inspection_lot, "items": items, "lots": lots}
    return {person for (person,) in await unit.execute(_FINDERS, where)}


async def _aim(unit: Unit, hold: Hold) -> None:
    named = hold.lot or hold.serial or hold.handling_unit or hold.location
    if hold.scope is Scope.SUPPLIER:
        await _match_received(unit, hold.site or "", hold=hold.name)
    else:
        await _match(unit, hold.site or "", [(hold.name, named)])


async def _match_received(unit: Unit, site: str, *, hold: str = "", receipt: str = "") -> None:
    rows = (await unit.execute(_RECEIVED, {"site": site, "hold": hold, "receipt": receipt})).all()
    await _match(unit, site, [(row.hold, row.target) for row in rows])


async def _match(unit: Unit, site: str, rows: Sequence[tuple[str, str]]) -> None:
    if rows:
        names, targets = [name for name, _ in rows], [target for _, target in rows]
        await unit.execute(_AIM, {"site": site, "holds": names, "targets": targets})


async def _groups(unit: Unit, hold: Hold) -> Sequence[Group]:
    return [(row.item, row.lot) for row in await unit.execute(_GROUPS, {"hold": hold.name})]


async def catch(unit: Unit, receipt: Receipt) -> None:
    """Before a receipt is posted: what a supplier's hold is about is held from that moment on (MAT-63)."""
    await unit.flush()
    await _match_received(unit, receipt.site or "", receipt=receipt.name)


async def note(unit: Unit, receipt: Receipt) -> None:
    """After a receipt was posted: its lines say by which hold they are held, and lots that nothing held are told."""
    await unit.flush()
    found = {row.line: row.hold for row in await unit.execute(_LINES, {"receipt": receipt.name}) if row.hold}
    if not found:
        return
    for line in receipt.lines:
        line.hold = found.get(line.line, "")
    await judge(unit, receipt.site or "", sorted({(line.item, line.lot) for line in receipt.lines if line.hold}))


async def refuse_regrouped(unit: Unit, site: str, names: Iterable[str]) -> None:
    """LotOnHold when units or places themselves are on hold: nothing slips in or out by taking them apart."""
    wanted = sorted(set(names))
    if wanted:
        found = (await unit.execute(_REGROUPED, {"site": site, "names": wanted})).first()
        if found is not None:
            raise LotOnHold(what=found.target, hold=found.hold)


async def refuse_replanted(unit: Unit, site: str, before: str | None, after: str | None) -> None:
    """LotOnHold when a place would leave, or come into, a group on hold."""
    if before != after:
        rows = await unit.execute(_AROUND, {"before": before or "", "after": after or ""})
        await refuse_regrouped(unit, site, [name for (name,) in rows])


async def sites(unit: Unit) -> list[str]:
    """Sites with holds, or with lots that were told to be held."""
    return [site for (site,) in await unit.execute(_SITES)]


async def brought(unit: Unit, site: str, places: Iterable[str]) -> None:
    """Goods on hold take their hold along: claims on what stands with them at such a place are broken at once."""
    await unit.flush()
    if (await unit.execute(_HELD_THERE, {"site": site, "places": sorted(set(places))})).first() is not None:
        await settle(unit, site)


async def settle(unit: Unit, site: str) -> None:
    """What came under a hold or out of all by a move, or by what was made of a lot: claims are broken, lots told."""
    claimed = (await unit.execute(_CLAIMED_AT, {"site": site})).all()
    groups = [(row.item, row.lot) for row in await unit.execute(_DIFFERENT, {"site": site})]
    items = {row.item for row in claimed} | {item for item, _ in groups}
    if not items:
        return
    await ledger.hold(unit, site, items)
    still = [row for row in await unit.execute(_CLAIMED_AT, {"site": site}) if row.item in items]
    broken = await break_claims(unit, site, {row.name: None for row in still}, "on hold")
    await judge(unit, site, groups, broken=broken)


async def judge(
    unit: Unit,
    site: str,
    groups: Collection[Group],
    *,
    broken: Sequence[Broken] = (),
    released: Hold | None = None,
) -> None:
    """Tell LotHeld of lots that are held now and were not, LotReleased of the others; the caller has their items."""
    if not groups:
        return
    await unit.flush()
    where = {"site": site, "items": [item for item, _ in groups], "lots": [lot for _, lot in groups]}
    found: dict[Group, list[Any]] = {}
    for stand in await unit.execute(_STAND, where):
        found.setdefault((stand.item, stand.lot), []).append(stand)
    known = await unit.get_many(HeldLot, [_name(site, *group) for group in found])
    by = {group: _first(rows) for group, rows in found.items()}
    holds = await unit.get_many(Hold, set(by.values()) - {""}, lock=False)
    for group, rows in found.items():
        row = known.get(_name(site, *group))
        if (row is not None and row.held) == bool(by[group]):
            continue
        if row is None:
            row = unit.add(HeldLot(name=_name(site, *group), item=group[0], lot=group[1]))
        row.held = bool(by[group])
        hold = holds.get(by[group], released)
        message = _told_held(row, hold, rows, broken) if row.held and hold else _told_released(row, hold, rows)
        unit.emit(message, correlation=hold.name if hold is not None else "")
    await unit.flush()


def _first(rows: Iterable[Any]) -> str:
    """The first hold that matches a lot or stock of it."""
    return min((hold for row in rows for hold in (row.of_lot, row.hold) if hold), default="")


def _told_held(row: HeldLot, hold: Hold, rows: Sequence[Any], broken: Iterable[Broken]) -> events.LotHeld:
    message = events.LotHeld(
        item=row.item, lot=row.lot, supplier=rows[0].supplier or hold.supplier, hold=hold.name,
        scope=hold.scope.value, reason=hold.reason, person=hold.person,
    )  # fmt: skip
    _add_stock(message, [one for one in rows if one.hold])
    for reservation, lost in _lost(broken, {one.name: one.unit_code for one in rows}):
        message.broken_reservations.add(reservation=reservation, quantity=lost)
    return row.event(message)


def _told_released(row: HeldLot, hold: Hold | None, rows: Sequence[Any]) -> events.LotReleased:
    message = events.LotReleased(item=row.item, lot=row.lot, supplier=rows[0].supplier)
    if hold is not None:
        message.supplier = message.supplier or hold.supplier
        message.hold, message.scope = hold.name, hold.scope.value
        message.reason, message.person = hold.release_reason, hold.releaser
    _add_stock(message, [one for one in rows if one.name])
    return row.event(message)


def _add_stock(message: events.LotHeld | events.LotReleased, rows: Iterable[Any]) -> None:
    for row in rows:
        message.stocks.add(
            location=row.location, handling_unit=row.handling_unit, status=row.status,
            quantity=quantity(row.on_hand, row.unit_code),
        )  # fmt: skip
        if row.serial:
            message.serials.append(row.serial)


def _name(site: str, item: str, lot: str) -> str:
    """Name of what is told of a lot at a site."""
    return f"sites/{site}/{HeldLot.COLLECTION}/h-{sha256(f'{item}|{lot}'.encode()).hexdigest()[:32]}"


_UNDER = text("""
    select item, lot, serial, location, handling_unit, status, on_hand as quantity, unit_code
    from stock_under(:hold) order by item, lot, location, name limit :most
""")


async def on(unit: Unit, *targets: str) -> Sequence[str]:
    """Active holds that name any of these, at the sites that the caller may see."""
    rows = select(HoldTarget.hold).where(HoldTarget.active, HoldTarget.target.in_(sorted({*targets} - {""})))  # type: ignore[arg-type, attr-defined, call-overload]
    seen = unit.caller.sites(unit.context.action)
    if seen is not None:
        rows = rows.where(HoldTarget.site.in_(sorted(seen)))  # type: ignore[attr-defined]
    return await unit.all(rows.distinct().order_by(HoldTarget.hold))


async def shown(unit: Unit, hold: Hold) -> tuple[list[str], Sequence[Any]]:
    """What a hold matches, and the stock under it."""
    rows = await unit.all(
        select(HoldTarget.target)  # type: ignore[call-overload]
        .where(HoldTarget.hold == hold.name, HoldTarget.target.not_like("%|%"))  # type: ignore[attr-defined]
        .order_by(HoldTarget.target)
        .limit(SHOWN)
    )
    there = (await unit.execute(_UNDER, {"hold": hold.name, "most": SHOWN})).mappings().all()
    return list(rows), there
