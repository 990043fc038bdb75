"""Cross-docking: goods that came in and were taken by who waits go to that one's staging (MAT-101)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from services.chassis.db import json_text
from services.chassis.unit import Unit
from services.materials.model import placing
from services.materials.model import task as tasks
from services.materials.model.item import Item
from services.materials.model.movement import Status
from services.materials.model.placing import Wanted
from services.materials.model.task import Kind, Task

_TAKEN = text("""
    select w.n, r.name, r.delivery_location, r.priority, r.need_time, r.started, a.serial, a.quantity
    from jsonb_to_recordset(cast(:wanted as jsonb)) w(n int, item text, lot text, location text)
    join balance b on b.site = :site and b.item = w.item and b.location = w.location and b.lot = w.lot
      and b.status = 'UNRESTRICTED' and b.handling_unit = ''
    join allocation a on a.balance = b.name
    join reservation r on r.name = a.reservation
    join location l on l.name = r.delivery_location and l.site = :site and l.kind = 'STAGING'
      and l.name <> w.location
    where not exists (
      select from put_away_task t
      where t.site = :site and t.from_location = w.location and t.item = w.item and t.reservation = r.name
        and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING', 'EXCEPTION'))
    order by w.n, r.priority, r.need_time nulls last, r.create_time, r.name, a.serial
""")


async def divert(unit: Unit, site: str, put_aways: Sequence[Task]) -> None:
    """Send what was taken of put-aways to its staging, where that has room; the rest goes on as it was to.

    Goods of a catch weight or in a handling unit stay together. A constant number of statements.
    """
    loose = [
        task
        for task in put_aways
        if not task.handling_unit and task.second_quantity is None and task.status is Status.UNRESTRICTED
    ]
    if not loose:
        return
    await unit.flush()
    wanted = [
        {"n": number, "item": task.item, "lot": task.lot, "location": task.from_location}
        for number, task in enumerate(loose)
    ]
    rows = (await unit.execute(_TAKEN, {"site": site, "wanted": json_text(wanted)})).all()
    parts = _parts(loose, rows)
    if not parts:
        return
    items = await unit.get_many(Item, {part.task.item for part in parts}, lock=False)
    goods = [
        (Wanted.of(items[part.task.item], part.amount, lot=part.task.lot), part.claim.delivery_location)
        for part in parts
    ]
    refusals = await placing.room(unit, site, goods)
    for part, refusal in zip(parts, refusals, strict=True):
        if refusal is None:
            _send(unit, site, part)


@dataclass(slots=True)
class _Part:
    """What one claim takes of a put-away."""

    task: Task
    claim: Any
    amount: Decimal
    serials: list[str]


def _parts(loose: Sequence[Task], rows: Sequence[Any]) -> list[_Part]:
    """Each claim on each put-away, no more of it than it brings; two lines of one lot share a balance."""
    left = {task.name: task.quantity for task in loose}
    unclaimed: dict[tuple[str, str, str], Decimal] = {}
    found: dict[tuple[str, str], _Part] = {}
    for row in rows:
        task = loose[row.n]
        rest = unclaimed.setdefault((row.name, task.lot, row.serial), row.quantity)
        if row.serial and row.serial not in task.serials:
            continue
        amount = min(rest, left[task.name])
        if amount <= 0:
            continue
        unclaimed[row.name, task.lot, row.serial] -= amount
        left[task.name] -= amount
        part = found.setdefault((task.name, row.name), _Part(task, row, Decimal(0), []))
        part.amount += amount
        part.serials += [row.serial] if row.serial else []
    return list(found.values())


def _send(unit: Unit, site: str, part: _Part) -> None:
    """The put-away goes to the staging, or the part of it that was taken becomes one of its own."""
    task, claim = part.task, part.claim
    if part.amount < task.quantity:
        task.quantity -= part.amount
        task.serials = sorted(set(task.serials) - set(part.serials))
        task = unit.add(
            tasks.new(
                unit, site, Kind.PUT_AWAY, item=task.item, lot=task.lot, serials=part.serials,
                from_location=task.from_location, quantity=part.amount, unit_code=task.unit_code, status=task.status,
                receipt=task.receipt, receipt_line=task.receipt_line, correlation=task.correlation,
            )
        )  # fmt: skip
    task.proposed_location, task.no_place_reason = claim.delivery_location, ""
    task.reservation, task.deadline_time = claim.name, claim.need_time
    task.priority = 1 if claim.started else claim.priority
