"""What an item lacks for a demand that allows it is claimed of its alternates, by reservations of their own (MAT-10).

Each claims, is picked, handed out and brought back as any reservation of one item; it tells nothing: the reservation
that it substitutes tells what was covered and used. What it loses goes back to that one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from plantops.materials.v1 import events_pb2 as events
from sqlalchemy import text
from sqlalchemy.orm.exc import StaleDataError

from services.chassis.db import json_text
from services.chassis.unit import Unit
from services.chassis.wire import quantity
from services.materials.model import allocating, allocation_policy, claim_rows, ledger
from services.materials.model.decision import Decision
from services.materials.model.item import Item, SiteFact
from services.materials.model.ledger import Posting
from services.materials.model.reservation import OPEN, Reservation, State
from services.materials.rules import alternates as rule
from services.materials.rules import substitution
from services.materials.rules.allocation import Rules
from services.materials.rules.substitution import Cover, Need, Offer, Ratio

ZERO = Decimal(0)
Offers = Mapping[str, Sequence[Offer]]

_OFFERS = text("""
    select i.name as item, i.base_step as covered_step, x.said, x.turned, o.name as other, o.base_unit_code,
           o.base_step, o.state
    from item i
    cross join lateral (
      select a.said ->> 'item' as other, a.said, false as turned, a.n
      from jsonb_array_elements(i.alternates) with ordinality a(said, n)
      union all
      select t.name, a.said, true, null
      from item t, jsonb_array_elements(t.alternates) a(said) where t.alternates <> '[]' and a.said ->> 'item' = i.name
    ) x
    join item o on o.name = x.other
    where i.name = any(cast(:items as text[])) order by i.name, x.n nulls last, o.name
""")


async def offers(unit: Unit, items: Iterable[str]) -> dict[str, list[Offer]]:
    """Item -> its alternates in their order, behind them the items that name it as theirs; one statement."""
    wanted, found = sorted(set(items)), dict[str, list[Offer]]()
    if not wanted:
        return found
    for row in await unit.execute(_OFFERS, {"items": wanted}):
        parts = int(row.said["numerator"]), int(row.said["denominator"])
        numerator, denominator = parts[::-1] if row.turned else parts
        ratio = Ratio(numerator, denominator, row.base_step, row.covered_step)
        found.setdefault(row.item, []).append(
            Offer(
                row.other, row.base_unit_code, ratio, both_ways=row.said.get("direction") == "BOTH_WAYS",
                turned=row.turned, in_use=row.state == "ACTIVE", first=rule.day(row.said.get("from_date")),
                last=rule.day(row.said.get("to_date")),
            )
        )  # fmt: skip
    return found


async def hold(unit: Unit, site: str, items: Iterable[str], allowed: Iterable[str]) -> dict[str, list[Offer]]:
    """Lock the stock of items, and of the alternates of those that are `allowed` to use them (MAT-74); gives these."""
    found = await offers(unit, allowed)
    await ledger.hold(unit, site, {*items, *(offer.item for each in found.values() for offer in each)})
    return found


_FAMILY = text("""
    select r.site, r.item, r.allow_alternates, array(
      select f.item from reservation f where f.name = r.substitutes or f.name = any(r.alternates)) as others
    from reservation r where r.name = :name
""")


async def take_up(unit: Unit, name: str, *, anew: bool = False) -> tuple[Reservation, dict[str, list[Offer]]]:
    """A reservation, locked behind the stock of its item and of those it stands with (PERF-4).

    `anew`: its alternates are locked and given too, so that it may take of them.
    """
    found = (await unit.execute(_FAMILY, {"name": name})).first()
    given: dict[str, list[Offer]] = {}
    if found is not None:
        allowed = [found.item] if anew and found.allow_alternates else []
        given = await hold(unit, found.site, [found.item, *found.others], allowed)
    row = await unit.get(Reservation, name)
    if row.alternates and found is not None and len(row.alternates) != len(found.others):
        raise StaleDataError(f"alternates of {name} changed meanwhile")
    return row, given


async def cover(
    unit: Unit, site: str, rows: Sequence[Reservation], given: Offers, fact: SiteFact, *, told: bool
) -> list[Reservation]:
    """Alternates cover what rows lack that allow them, in the order of rows; gives the reservations that do.

    The caller holds items and alternates, and has written the rows before. A constant number of statements.
    """
    needy = [row for row in rows if row.allow_alternates and row.missing > 0 and given.get(row.item)]
    if not needy:
        return []
    others = {offer.item for row in needy for offer in given[row.item]}
    rules = await allocation_policy.rules_of(unit, site, {*others, *(row.item for row in needy)})
    free = await allocating.candidates(unit, site, others)
    stocks = {name: substitution.Stock(free.get(name, []), rules[name]) for name in others}
    there = await unit.get_many(Reservation, [name for row in needy for name in row.alternates])
    amounts: dict[str, Decimal] = {}
    wanted: list[tuple[Reservation, Cover]] = []
    for item in dict.fromkeys(row.item for row in needy):
        mine = [row for row in needy if row.item == item]
        needs = [_need(unit, row, fact, rules[item], there) for row in mine]
        known = {offer.item: stocks[offer.item] for offer in given[item]}
        found, inputs, outcome = substitution.record(needs, given[item], known, mine[0].decision)
        useful = [(row, each) for row, covers in zip(mine, found, strict=True) for each in covers if each.covered > 0]
        if told or useful:
            _decide(unit, mine, inputs, outcome)
        wanted += useful
        for candidate, amount in (taken for _, each in useful if each.plan is not None for taken in each.plan.taken):
            amounts[candidate.balance] = amounts.get(candidate.balance, ZERO) + amount
    with unit.session.no_autoflush:  # decisions and reservations are written together
        got = await allocating.take(unit, amounts)
    if got != set(amounts):
        raise StaleDataError("stock of alternates was taken meanwhile")
    children = [_stand_in(unit, row, each, there) for row, each in wanted]
    await claim_rows.write(unit, [*needy, *children])
    await unit.flush()
    return children


def _need(unit: Unit, row: Reservation, fact: SiteFact, rules: Rules, there: Mapping[str, Reservation]) -> Need:
    demand = replace(row.demand_on(fact, unit.now, Rules()), life_days=row.minimum_remaining_life_days)
    ended = [there[name].item for name in row.alternates if there[name].state in (State.RELEASED, State.EXPIRED)]
    return Need(demand, row.demand_kind, rules.refuse_alternates, sorted(ended))


def _decide(unit: Unit, rows: Sequence[Reservation], inputs: Any, outcome: Mapping[str, Any]) -> None:
    first = rows[0]
    name = unit.new_name(f"sites/{first.site}", Decision.COLLECTION)
    unit.session.add(
        Decision(
            name=name, site=first.site or "", kind="ALTERNATES", item=first.item, inputs=json_text(inputs),
            outcome=json_text(outcome), explanation=substitution.words(outcome, first.unit_code),
            create_time=unit.now,
        )
    )  # fmt: skip
    for row in rows:
        row.decision = name


def _stand_in(unit: Unit, row: Reservation, found: Cover, there: Mapping[str, Reservation]) -> Reservation:
    """The reservation of the alternate, which takes what was found; one that is there takes more."""
    offer = found.offer
    child = next((there[name] for name in row.alternates if name in there and there[name].item == offer.item), None)
    if child is None:
        name = unit.new_name(f"sites/{row.site}", Reservation.COLLECTION)
        child = unit.add(
            Reservation(
                name=name, work_order=row.work_order, demand=f"{row.demand} {name}",
                demand_version=row.demand_version, item=offer.item, requested=ZERO, unit_code=offer.unit_code,
                need_time=row.need_time, priority=row.priority, delivery_location=row.delivery_location,
                owner=row.owner, asset=row.asset, started=row.started, demand_kind=row.demand_kind,
                minimum_remaining_life_days=row.minimum_remaining_life_days, correlation=row.correlation,
                allocations=[], substitutes=row.name, numerator=offer.ratio.numerator,
                denominator=offer.ratio.denominator,
            )
        )  # fmt: skip
        row.alternates = [*row.alternates, child.name]
    child.requested += found.taken
    child.covers += found.covered
    child.decision = row.decision
    for candidate, amount in found.plan.taken if found.plan is not None else ():
        child.took(candidate.balance, candidate.location, candidate.lot, amount, candidate.serial)
    child.judge()
    row.substituted += found.covered
    row.share(pending=row.pending, supply_covered=row.supply_covered)
    row.touch()
    return child


async def settle(unit: Unit, children: Sequence[Reservation], *, final: bool = False) -> None:
    """What reservations of alternates lost is the demand of those they substitute again, which are judged anew.

    These are short until they are judged by the job that makes claims hard: here their stock is not held. `final`: they
    take no more of that alternate.
    """
    lost = [child for child in children if child.missing > 0]
    found = await _lose(unit, lost)
    for child, parent, rest in found:
        if parent.state not in (*OPEN, State.ISSUED):
            parent.released += rest
            parent.share()
            continue
        if not parent.soft(unit.now):
            parent.hard_time = unit.now
        parent.judge()
        parent.cause = child.cause
        if final and child.state is State.RELEASED:
            parent.alternates = [*parent.alternates, child.name]
    await claim_rows.write(unit, {row.name: row for child, parent, _ in found for row in (child, parent)}.values())


async def give_up(unit: Unit, rows: Sequence[Reservation]) -> list[Reservation]:
    """What reservations of alternates hold for rows is given back, and theirs to give back; gives those children.

    The caller holds the items of all.
    """
    known = await unit.get_many(Reservation, [name for row in rows for name in row.alternates])
    children = [child for child in known.values() if child.state in OPEN]
    await allocating.give_back(unit, *children)
    found = await _lose(unit, children)
    for _, parent, _ in found:
        parent.share()
    await claim_rows.write(unit, {row.name: row for child, parent, _ in found for row in (child, parent)}.values())
    return children


async def _lose(unit: Unit, lost: Sequence[Reservation]) -> list[tuple[Reservation, Reservation, Decimal]]:
    """Children end up with what they hold: (child, parent, what it covers no more)."""
    if not lost:
        return []
    parents = await unit.get_many(Reservation, {child.substitutes for child in lost})
    items = await unit.get_many(Item, {row.item for row in (*lost, *parents.values())}, lock=False)
    given: dict[str, Decimal] = {}
    found = []
    for child in lost:
        parent = parents[child.substitutes]
        ratio = _ratio(child, parent, items)
        covered = min(child.covers, ratio.covers(child.issued + child.allocated))
        surplus = child.issued + child.allocated - max(ratio.takes(covered), child.issued)
        for taken in reversed(list(child.allocations)):
            amount = min(surplus, taken.quantity)
            if amount > 0:
                given[taken.balance] = given.get(taken.balance, ZERO) + amount
                child.gave(taken, amount)
                surplus -= amount
        rest, child.covers = child.covers - covered, covered
        child.released += child.missing
        child.share()
        _end(child)
        parent.substituted -= rest
        if child.state is State.RELEASED:
            parent.alternates = [name for name in parent.alternates if name != child.name]
        found.append((child, parent, rest))
    with unit.session.no_autoflush:  # the caller says what the parents are now
        await allocating.give(unit, given)
    return found


def _end(child: Reservation) -> None:
    """The state of one that lacks nothing any more."""
    if child.allocated > 0 or child.issued > 0:
        child.judge()
        if child.allocated == 0:
            child.move(State.ISSUED)
    else:
        child.move(State.RELEASED)


def _ratio(child: Reservation, parent: Reservation, items: Mapping[str, Item]) -> Ratio:
    return Ratio(child.numerator, child.denominator, items[child.item].base_step, items[parent.item].base_step)


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose demand a reservation serves: its own, or that of the one that it substitutes."""

    child: Reservation
    parent: Reservation | None = None
    ratio: Ratio | None = None

    def told(self, event: events.ReservationIssued, posting: Posting, before: Decimal) -> events.ReservationIssued:
        """Tells what was handed out, or brought back, in the words of the demand; `before` was handed out until then.

        What was used of an alternate counts for the demand that it covers.
        """
        if self.parent is None or self.ratio is None:
            return event
        child, parent = self.child, self.parent
        issued = child.issued > before
        first, then = sorted((before, child.issued))
        done = child.covers if child.state is State.ISSUED else min(child.covers, self.ratio.covers(then))
        amount = done - min(done, self.ratio.covers(first))
        if issued:
            parent.substitute_issued += amount
            if parent.done and parent.state is State.ALLOCATED:
                parent.move(State.ISSUED)
        else:
            child.covers -= amount
            parent.substitute_issued -= amount
            parent.substituted -= amount
            parent.released += amount
        parent.touch()
        sign = 1 if issued else -1
        message = parent.told_issued(posting, sign)
        message.alternate = child.item
        message.alternate_quantity.CopyFrom(event.quantity)
        message.quantity.CopyFrom(quantity(amount * sign, parent.unit_code))
        return message


async def whose(unit: Unit, row: Reservation) -> Whose:
    """Whose demand a reservation serves; locked."""
    if not row.substitutes:
        return Whose(row)
    parent = await unit.get(Reservation, row.substitutes)
    return Whose(row, parent, _ratio(row, parent, await unit.get_many(Item, [row.item, parent.item], lock=False)))


_WAITING = text("""
    select distinct item from reservation
    where site = :site and item = :item and allow_alternates and state in ('PENDING', 'SHORT')
""")
_OFFERED = text("""
    select distinct r.site, r.item from reservation r
    where r.state = 'SHORT' and r.allow_alternates and r.hard_time is null
      and exists (
        select from item i cross join jsonb_array_elements(i.alternates) a
        join balance b on b.site = r.site and b.item = case when i.name = r.item then a.value ->> 'item' else i.name end
          and b.on_hand > b.reserved and not b.virtual and b.status = 'UNRESTRICTED'
        where i.alternates <> '[]' and (i.name = r.item
          or a.value ->> 'item' = r.item and a.value ->> 'direction' = 'BOTH_WAYS'))
    order by 1, 2 limit 200
""")


async def wait_for_alternates(unit: Unit, site: str, item: str) -> list[str]:
    """The item, if reservations wait for it that allow alternates."""
    return [row.item for row in await unit.execute(_WAITING, {"site": site, "item": item})]


async def offered(unit: Unit) -> list[tuple[str, str]]:
    """(site, item) for which reservations are short, while there is free stock of an alternate."""
    return [(row.site, row.item) for row in await unit.execute(_OFFERED)]
