"""Picks: goods of a reservation go from bin to cart or handling unit, then to their staging (MAT-107, MAT-110)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from services.chassis.unit import Unit
from services.materials.model import allocating, bins, standing, stock
from services.materials.model import task as tasks
from services.materials.model.reservation import Reservation
from services.materials.model.task import Kind, Task, TaskState

FIRST = 1
"""Priority of what an order that was started needs."""


@dataclass(frozen=True, slots=True)
class Pick:
    """Allocated goods of one lot in one place, loose or in one handling unit, that no task picks yet."""

    reservation: str
    item: str
    lot: str
    location: str
    handling_unit: str
    serials: Sequence[str]
    quantity: Decimal
    unit_code: str


_ALLOCATED = text("""
    select a.reservation, b.item, b.lot, b.location, b.handling_unit, min(a.unit_code) as unit_code,
           array_remove(array_agg(a.serial order by a.serial), '') as serials, sum(a.quantity) as quantity
    from allocation a
    join balance b on b.name = a.balance
    join location l on l.name = b.location and l.kind not in ('CART', 'VEHICLE', 'STAGING')
    where a.reservation = any(cast(:names as text[])) and not exists (
      select from put_away_task t
      where t.site = :site and t.from_location = b.location and t.item = b.item and t.lot = b.lot
        and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING', 'EXCEPTION')
        and t.handling_unit = b.handling_unit
        and (t.kind = 'PUT_AWAY' or t.kind in ('PICK', 'STAGE') and t.reservation = a.reservation))
    group by 1, 2, 3, 4, 5, l.path_order order by l.path_order, 4, 1, 3, 5
""")


async def allocated(unit: Unit, site: str, reservations: Iterable[str]) -> list[Pick]:
    """What is allocated in bins and not being picked, along the path; one statement."""
    rows = await unit.execute(_ALLOCATED, {"site": site, "names": sorted(set(reservations))})
    return [
        Pick(
            row.reservation, row.item, row.lot, row.location, row.handling_unit, row.serials, row.quantity,
            row.unit_code,
        )
        for row in rows
    ]  # fmt: skip


def task_of(
    unit: Unit, pick: Pick, row: Reservation, staging: str, *, waits: bool, wave: str = "", into: str = ""
) -> Task:
    """The task that picks it; one for an asset that stands still waits."""
    return unit.add(
        tasks.new(
            unit, row.site or "", Kind.PICK, item=pick.item, lot=pick.lot, serials=list(pick.serials),
            from_location=pick.location, handling_unit=pick.handling_unit, quantity=pick.quantity,
            unit_code=pick.unit_code, proposed_location=staging, to_handling_unit=into, reservation=row.name,
            wave=wave, priority=FIRST if row.started else row.priority, deadline_time=row.need_time,
            state=TaskState.WAITING if waits else TaskState.READY,
            note=f"{row.asset} stands still" if waits else "", correlation=row.correlation,
        )
    )  # fmt: skip


async def stage(unit: Unit, picked: Task, amount: Decimal, second: Decimal | None, serials: Sequence[str]) -> None:
    """Picked goods that are not at their staging yet have to be brought there."""
    if not picked.proposed_location or picked.to_location == picked.proposed_location:
        return
    waits = picked.reservation in await standing.waiting(unit, [picked.reservation])
    unit.add(
        tasks.new(
            unit, picked.site or "", Kind.STAGE, item=picked.item, lot=picked.lot, serials=list(serials),
            from_location=picked.to_location, handling_unit=picked.to_handling_unit, quantity=amount,
            unit_code=picked.unit_code, second_quantity=second,
            second_quantity_unit_code=picked.second_quantity_unit_code, proposed_location=picked.proposed_location,
            reservation=picked.reservation, wave=picked.wave, priority=picked.priority,
            deadline_time=picked.deadline_time, predecessor=picked.task_name,
            state=TaskState.WAITING if waits else TaskState.READY, note="the asset stands still" if waits else "",
            correlation=picked.correlation,
        )
    )  # fmt: skip


async def shorten(unit: Unit, task: Task, found: Decimal, reason: str, *, lock_bin: bool) -> None:
    """What was not found is counted and allocated elsewhere, with picks of its own; what is missing is short (MAT-107).

    The caller holds the item; what was found is picked already.
    """
    site = task.site or ""
    task.short_reason = reason
    counting = await bins.count(unit, task, f"{reason}: {task.quantity - found} were not found by {task.task_name}")
    await bins.lock(unit, task, counting, reason)
    row = await unit.get(Reservation, task.reservation)
    await _give_back(unit, task, row, task.quantity - found)
    row.cause = f"{reason} at {task.from_location}"
    await unit.flush()
    await stock.claim(unit, row)  # not from the bin, which is locked meanwhile
    waits = row.name in await standing.waiting(unit, [row.name])
    for pick in await allocated(unit, site, [row.name]):
        made = task_of(unit, pick, row, task.proposed_location, waits=waits, wave=task.wave, into=task.to_handling_unit)
        made.predecessor, made.priority = task.task_name, task.priority
    await unit.flush()
    if not lock_bin:
        await bins.unlock(unit, counting)


async def _give_back(unit: Unit, task: Task, row: Reservation, missing: Decimal) -> None:
    """The claim on what was not found ends."""
    here = [
        taken
        for taken in row.allocations
        if (taken.location, taken.lot) == (task.from_location, task.lot) and taken.serial in (task.serials or [""])
    ]
    units = await _units_of(unit, [taken.balance for taken in here])
    given: dict[str, Decimal] = {}
    for taken in here:
        amount = min(missing, taken.quantity)
        if amount > 0 and units[taken.balance] == task.handling_unit:
            given[taken.balance] = amount
            row.gave(taken, amount)
            missing -= amount
    await allocating.give(unit, given)


async def _units_of(unit: Unit, balances: Sequence[str]) -> Mapping[str, str]:
    """Balance -> handling unit."""
    rows = await unit.execute(_UNITS, {"names": sorted(balances)})
    return {row.name: row.handling_unit for row in rows}


_UNITS = text("select name, handling_unit from balance where name = any(cast(:names as text[]))")

# open tasks of reservations follow what these still hold where the goods are
_FOLLOW = text("""
    with at_work as (
      select t.name from put_away_task t
      where t.site = :site and t.kind in ('PICK', 'STAGE') and t.reservation = any(cast(:names as text[]))
        and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING')
      order by t.name for update
    ), held as (
      select t.name, t.kind, t.quantity, coalesce(sum(a.quantity), 0) as claimed,
             array_remove(array_agg(a.serial order by a.serial), '') as serials
      from at_work o join put_away_task t on t.name = o.name
      left join (allocation a join balance b on b.name = a.balance)
        on a.reservation = t.reservation and b.location = t.from_location and b.lot = t.lot
        and b.handling_unit = t.handling_unit and (a.serial = '' or a.serial = any(t.serials))
      group by 1, 2, 3
    )
    update put_away_task t
    set state = case when h.claimed = 0 and h.kind = 'PICK' then 'CANCELLED'
                     when h.kind = 'STAGE' then 'EXCEPTION' else t.state end,
        quantity = case when h.claimed > 0 and h.kind = 'PICK' then h.claimed else t.quantity end,
        serials = case when h.claimed > 0 and h.kind = 'PICK' and cardinality(t.serials) > 0
                  then array_remove(h.serials, null) else t.serials end,
        note = :note, version = t.version + 1, update_time = now()
    from held h where t.name = h.name and h.claimed < h.quantity
    returning t.name, t.version, t.state, t.quantity, t.reservation, t.wave, t.proposed_location, t.to_handling_unit,
              t.priority
""")


async def follow(unit: Unit, site: str, reservations: Iterable[str], cause: str) -> Sequence[Any]:
    """Tasks after a change of claims: a pick of nothing is cancelled, one of less is lowered (MAT-64).

    Goods that ride on a cart for nobody are an exception that a person has to solve. One statement; gives the tasks
    that lost something.
    """
    names = sorted(set(reservations))
    if not names:
        return ()
    await unit.flush()
    rows = (await unit.execute(_FOLLOW, {"site": site, "names": names, "note": cause})).all()
    for row in rows:
        after = {"state": row.state, "quantity": row.quantity, "note": cause}
        unit.audit(row.name, "", {}, after, row.version)
    return rows


# picks of reservations take all that these hold where they pick
_RAISE = text("""
    with at_work as (
      select t.name from put_away_task t
      where t.site = :site and t.kind = 'PICK' and t.reservation = any(cast(:names as text[]))
        and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING')
      order by t.name for update
    ), held as (
      select t.name, t.quantity, sum(a.quantity) as claimed,
             array_remove(array_agg(a.serial order by a.serial), '') as serials
      from at_work o join put_away_task t on t.name = o.name
      join allocation a on a.reservation = t.reservation
      join balance b on b.name = a.balance and b.location = t.from_location and b.lot = t.lot
        and b.handling_unit = t.handling_unit
      group by 1, 2
    )
    update put_away_task t set quantity = h.claimed, serials = h.serials, version = t.version + 1, update_time = now()
    from held h where t.name = h.name and h.claimed > h.quantity
    returning t.name, t.version, t.quantity
""")


async def follow_anew(unit: Unit, site: str, rows: Iterable[Reservation], cause: str) -> None:
    """As `follow`; what a reservation holds in place of goods that were being picked gets picks (MAT-77).

    They are of the same wave, to the same staging, into the same handling unit, each behind the task that lost goods;
    where the reservation picks already, its pick is raised. A constant number of statements.
    """
    known = {row.name: row for row in rows}
    before: dict[str, Any] = {}
    for lost in sorted(await follow(unit, site, known, cause), key=lambda row: str(row.name)):
        before.setdefault(lost.reservation, lost)
    if not before:
        return
    for row in await unit.execute(_RAISE, {"site": site, "names": sorted(before)}):
        unit.audit(row.name, "", {}, {"quantity": row.quantity}, row.version)
    waits = await standing.waiting(unit, before)
    for pick in await allocated(unit, site, before):
        lost = before[pick.reservation]
        made = task_of(
            unit, pick, known[pick.reservation], lost.proposed_location, waits=pick.reservation in waits,
            wave=lost.wave, into=lost.to_handling_unit,
        )  # fmt: skip
        made.predecessor, made.priority = lost.name, lost.priority
