"""Claims on stock that is packed or moved go along to where it comes to, so that none is lost (MAT-21)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text

from services.chassis.unit import Unit
from services.materials.model import ledger
from services.materials.model.ledger import Line


@dataclass(frozen=True, slots=True)
class Claim:
    """A part of a reservation's allocation that follows its stock."""

    reservation: str
    source: str
    target: str
    location: str
    amount: Decimal


_WANTED = text("""
    select x.n, k.source, k.target, l.to_location as location,
      least(greatest(l.quantity - (b.on_hand - b.reserved), 0), b.reserved) as claimed
    from jsonb_array_elements(cast(:lines as jsonb)) with ordinality x(line, n),
      lateral posting_lines(jsonb_build_array(x.line)) l,
      lateral (values (
        balance_key(:site, l.item, l.from_location, l.lot, l.from_status, l.serial, l.from_handling_unit, l.from_owner,
                    l.from_project),
        balance_key(:site, l.item, l.to_location, l.lot, l.to_status, l.serial, l.to_handling_unit, l.to_owner,
                    l.to_project))) k(source, target),
      balance b
    where b.name = k.source and b.reserved > 0 order by x.n
""")
_ALLOCATED = text("""
    select reservation, balance, quantity from allocation where balance = any(cast(:balances as text[]))
    order by reservation, balance for update
""")
_RESERVE = text("""
    update balance b set reserved = b.reserved + c.amount, update_time = now()
    from (select x.name, sum(x.amount) as amount
          from unnest(cast(:target as text[]), cast(:amount as numeric[])) x(name, amount) group by 1) c
    where b.name = c.name
""")
_LEAVE = text("""
    with gone as (
      select * from unnest(cast(:reservation as text[]), cast(:source as text[]), cast(:amount as numeric[]))
        g(reservation, balance, amount)
    ), whole as (
      delete from allocation a using gone g
      where a.reservation = g.reservation and a.balance = g.balance and a.quantity <= g.amount
    )
    update allocation a set quantity = a.quantity - g.amount from gone g
    where a.reservation = g.reservation and a.balance = g.balance and a.quantity > g.amount
""")
_COME = text("""
    insert into allocation as a (reservation, balance, location, lot, serial, quantity, unit_code)
    select c.reservation, b.name, c.location, b.lot, b.serial, c.amount, b.unit_code
    from unnest(cast(:reservation as text[]), cast(:target as text[]), cast(:location as text[]),
                cast(:amount as numeric[])) c(reservation, balance, location, amount)
    join balance b on b.name = c.balance
    on conflict on constraint pk_allocation do update set quantity = a.quantity + excluded.quantity
""")
_TOUCH = text("""
    update reservation set version = version + 1, update_time = now() where name = any(cast(:names as text[]))
    returning name, version
""")


async def attach(unit: Unit, site: str, lines: Sequence[Line]) -> list[Claim]:
    """Which claims go along, when what is free does not do; the caller holds the items.

    Lines take from balances that differ, and get what is `allocated` of them. Three statements at most.
    """
    if not lines:
        return []
    rows = (await unit.execute(_WANTED, {"site": site, "lines": ledger.content_of(lines)})).all()
    wanted = {row.source: row for row in rows if row.claimed > 0}
    for row in wanted.values():
        lines[row.n - 1].allocated = row.claimed
    if not wanted:
        return []
    left = {out: row.claimed for out, row in wanted.items()}
    found = []
    for taken in await unit.execute(_ALLOCATED, {"balances": sorted(wanted)}):
        amount = min(left[taken.balance], taken.quantity)
        if amount > 0:
            row = wanted[taken.balance]
            found.append(Claim(taken.reservation, row.source, row.target, row.location, amount))
            left[taken.balance] -= amount
    return found


_OWN = text("""
    select x.n, k.source, k.target, l.to_location as location, least(l.quantity, a.quantity) as amount
    from jsonb_array_elements(cast(:lines as jsonb)) with ordinality x(line, n),
      lateral posting_lines(jsonb_build_array(x.line)) l,
      lateral (values (
        balance_key(:site, l.item, l.from_location, l.lot, l.from_status, l.serial, l.from_handling_unit, l.from_owner,
                    l.from_project),
        balance_key(:site, l.item, l.to_location, l.lot, l.to_status, l.serial, l.to_handling_unit, l.to_owner,
                    l.to_project))) k(source, target),
      allocation a
    where a.reservation = :reservation and a.balance = k.source order by x.n
""")


async def attach_own(unit: Unit, site: str, lines: Sequence[Line], reservation: str) -> list[Claim]:
    """The claim of one reservation goes along, as far as it has one there; the caller holds the items."""
    values = {"site": site, "lines": ledger.content_of(lines), "reservation": reservation}
    found = []
    for row in await unit.execute(_OWN, values):
        lines[row.n - 1].allocated = row.amount
        found.append(Claim(reservation, row.source, row.target, row.location, row.amount))
    return found


async def carry(unit: Unit, claims: Sequence[Claim]) -> list[str]:
    """After the posting: the claims hold what they held, where it is now. Gives their reservations; four statements."""
    if not claims:
        return []
    columns = {name: [getattr(claim, name) for claim in claims] for name in Claim.__slots__}
    await unit.execute(_RESERVE, {name: columns[name] for name in ("target", "amount")})
    await unit.execute(_LEAVE, {name: columns[name] for name in ("reservation", "source", "amount")})
    await unit.execute(_COME, {name: columns[name] for name in ("reservation", "target", "location", "amount")})
    for row in await unit.execute(_TOUCH, {"names": sorted(set(columns["reservation"]))}):
        moved = [claim for claim in claims if claim.reservation == row.name]
        before, after = ({"allocations": [getattr(claim, end) for claim in moved]} for end in ("source", "target"))
        unit.audit(row.name, "", before, after, row.version)
    return sorted(set(columns["reservation"]))
