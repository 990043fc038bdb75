"""Claims on stock that has to be free are broken deliberately, and served from other stock (MAT-77)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select, text

from services.chassis.unit import Unit
from services.materials.model import allocating, ledger, picking, stock
from services.materials.model.movement import Balance
from services.materials.model.reservation import Allocation, Reservation
from services.materials.rules import breaking as rule

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Broken:
    """What a reservation held of a balance and holds no more; in the base unit."""

    reservation: str
    balance: str
    quantity: Decimal


async def break_claims(unit: Unit, site: str, balances: Mapping[str, Decimal | None], cause: str) -> list[Broken]:
    """Make stock free that is claimed: lowest priority first, then newest first.

    Of each balance so much is free afterwards, or all that is there; None: nothing of it is claimed any more. Who lost
    stock gets other stock as far as there is, and picks of it where it was being picked; the rest is SHORT with the
    cause. ReservationAllocated or ReservationShort is told of each. The caller holds the items (`ledger.hold`) and has
    written why the stock may not be taken again (a hold, a lock), or takes what is free now in this unit. Statements do
    not grow with the number of balances or claims.
    """
    rows = await _holders(unit, site, balances)
    if not rows:
        return []
    free = await _free(unit, balances)
    claims = [
        rule.Claim(row.name, taken.balance, taken.quantity, row.priority, row.create_time)
        for row in rows
        for taken in row.allocations
        if taken.balance in balances
    ]
    plan = rule.plan(claims, free, balances)
    if not plan:
        return []
    given: dict[str, Decimal] = {}
    for claim, amount in plan:
        given[claim.balance] = given.get(claim.balance, ZERO) + amount
    await allocating.give(unit, given)
    known = {row.name: row for row in rows}
    for claim, amount in plan:
        row = known[claim.reservation]
        row.gave(next(taken for taken in row.allocations if taken.balance == claim.balance), amount)
        row.cause = cause
    broken = {claim.reservation for claim, _ in plan}
    losers = [row for row in rows if row.name in broken]
    await stock.claim_all(unit, site, losers, spared=balances)
    await picking.follow_anew(unit, site, losers, cause)
    return [Broken(claim.reservation, claim.balance, amount) for claim, amount in plan]


async def _holders(unit: Unit, site: str, balances: Mapping[str, Decimal | None]) -> list[Reservation]:
    """Reservations that hold something of balances, locked in the order of their names."""
    if not balances:
        return []
    holders = select(Allocation.reservation).where(Allocation.balance.in_(sorted(balances)))  # type: ignore[call-overload, attr-defined]
    rows = await unit.all(
        select(Reservation)
        .where(Reservation.site == site, Reservation.name.in_(holders))  # type: ignore[arg-type, attr-defined]
        .order_by(Reservation.name)
        .with_for_update(of=Reservation)
    )
    return list(rows)


async def _free(unit: Unit, balances: Mapping[str, Decimal | None]) -> dict[str, Decimal]:
    wanted = sorted(name for name, amount in balances.items() if amount is not None)
    if not wanted:
        return {}
    rows = await unit.execute(
        select(Balance.name, (Balance.on_hand - Balance.reserved).label("free")).where(Balance.name.in_(wanted))  # type: ignore[call-overload, attr-defined]
    )
    return {row.name: row.free for row in rows}


async def break_at(unit: Unit, site: str, location: str, cause: str) -> list[Broken]:
    """Nothing at a place is claimed any more; the caller wrote why nothing may be taken there."""
    columns: Any = Balance
    rows = (
        await unit.execute(
            select(columns.name, columns.item).where(
                columns.site == site, columns.location == location, columns.reserved > 0
            )
        )
    ).all()
    await ledger.hold(unit, site, (row.item for row in rows))
    return await break_claims(unit, site, {row.name: None for row in rows}, cause)


_EXPIRED = text("""
    select b.site, b.item, b.name, b.lot
    from allocation a
    join lot on lot.name = a.lot
    join balance b on b.name = a.balance
    join site_fact f on f.name = 'sites/' || b.site
    where a.lot <> '' and lot.expire_date < (now() at time zone f.time_zone)::date
    order by b.site, b.item, b.name limit 500
""")


async def expired(unit: Unit) -> dict[tuple[str, str, str], list[str]]:
    """(site, item, lot) -> claimed stock of lots whose last usable day is over there."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in await unit.execute(_EXPIRED):
        found.setdefault((row.site, row.item, row.lot), []).append(row.name)
    return found
