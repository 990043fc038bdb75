"""A reservation gets other stock than it holds, also what a demand of equal or lower priority holds (MAT-75)."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import select

from services.chassis.faults import FailedPrecondition
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.model import allocating, allocation_policy, claim_rows, picking, stock
from services.materials.model.item import site_fact
from services.materials.model.reservation import Allocation, Reservation
from services.materials.rules import allocation, breaking
from services.materials.rules import swapping as rule
from services.materials.rules.allocation import Candidate, Why

ZERO = Decimal(0)


class SwapNotAllowed(FailedPrecondition):
    """The stock that is wanted cannot be had for the reservation (MAT-75)."""

    text = "{reservation} cannot have {asked} {unit_code} at {location}: {why}."


async def swap(unit: Unit, row: Reservation, amount: Decimal, *, location: str, lot: str = "") -> None:
    """The reservation holds so much more at a place and gives up as much of what it holds elsewhere.

    Those who held it are served anew from what is free now. SwapNotAllowed, with nothing changed, when it cannot be.
    The caller holds the item.
    """
    site = row.site or ""
    targets = await _targets(unit, row, location, lot)
    mine = [taken for taken in row.allocations if taken.balance not in {each.balance for each in targets}]
    if sum((taken.quantity for taken in mine), ZERO) < amount:
        raise _not_allowed(row, amount, location, "less is allocated elsewhere")
    others = await _others(unit, row, targets)
    rest = amount
    taken_there: list[tuple[Candidate, rule.Swap]] = []
    for candidate in targets:
        claims = [
            _claim(other, held) for other in others for held in other.allocations if held.balance == candidate.balance
        ]
        found = rule.plan(rest, candidate.free, claims, row.priority)
        if found.amount > 0:
            taken_there.append((candidate, found))
            rest -= found.amount
    if rest > 0:
        raise _not_allowed(row, amount, location, f"{canonical(amount - rest)} of it can be had there")
    given = _giving(mine, amount)
    lost = [each for _, found in taken_there for each in found.from_others]
    amounts: dict[str, Decimal] = {}
    for balance, part in [(held.balance, part) for held, part in given] + [(each.balance, part) for each, part in lost]:
        amounts[balance] = amounts.get(balance, ZERO) + part
    await allocating.give(unit, amounts)
    await allocating.take(unit, {candidate.balance: found.amount for candidate, found in taken_there})
    known = {other.name: other for other in others}
    for claim, part in lost:
        other = known[claim.reservation]
        other.gave(next(held for held in other.allocations if held.balance == claim.balance), part)
        other.cause = f"{row.name} needs the stock"
    for held, part in given:
        row.gave(held, part)
    for candidate, found in taken_there:
        row.took(candidate.balance, candidate.location, candidate.lot, found.amount, candidate.serial)
    await claim_rows.write(unit, [row])
    losers = [other for other in others if other.name in {claim.reservation for claim, _ in lost}]
    if losers:
        await stock.claim_all(unit, site, losers)
    await stock.serve(unit, site, {row.item})
    why = f"{row.name} takes other stock"
    await picking.follow(unit, site, [row.name], why)
    await picking.follow_anew(unit, site, losers, why)


async def _targets(unit: Unit, row: Reservation, location: str, lot: str) -> list[Candidate]:
    """Stock at the place that the reservation may have, claimed or not, in the order of its policy."""
    site = row.site or ""
    rules = (await allocation_policy.rules_of(unit, site, [row.item]))[row.item]
    demand = row.demand_on(await site_fact(unit, site), unit.now, rules)
    there = (await allocating.candidates(unit, site, [row.item])).get(row.item, [])
    named = [each for each in there if location in ("", each.location) and lot in ("", each.lot)]
    return allocation.order(
        [each for each in named if allocation.refusal(each, demand) in (None, Why.CLAIMED)], demand, rules.order
    )


async def _others(unit: Unit, row: Reservation, targets: Sequence[Candidate]) -> list[Reservation]:
    """Who else holds something of it; locked."""
    holders = select(Allocation.reservation).where(  # type: ignore[call-overload]
        Allocation.balance.in_(sorted(each.balance for each in targets)),  # type: ignore[attr-defined]
        Allocation.reservation != row.name,
    )
    return list(
        await unit.all(
            select(Reservation)
            .where(Reservation.name.in_(holders))  # type: ignore[attr-defined]
            .order_by(Reservation.name)
            .with_for_update(of=Reservation)
        )
    )


def _claim(other: Reservation, held: Allocation) -> breaking.Claim:
    return breaking.Claim(other.name, held.balance, held.quantity, other.priority, other.create_time)


def _giving(mine: Sequence[Allocation], amount: Decimal) -> list[tuple[Allocation, Decimal]]:
    """What is given up: the last ones first."""
    found, rest = [], amount
    for held in reversed(mine):
        part = min(rest, held.quantity)
        if part > 0:
            found.append((held, part))
            rest -= part
    return found


def _not_allowed(row: Reservation, amount: Decimal, location: str, why: str) -> SwapNotAllowed:
    return SwapNotAllowed(
        reservation=row.name,
        asked=canonical(amount),
        unit_code=row.unit_code,
        location=location or "any place",
        why=why,
    )
