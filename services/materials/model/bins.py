"""What is found in bins while picking: locks of a bin for one item, zero confirmations, counts that are asked for."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text, select, text
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition
from services.chassis.resource import instant
from services.chassis.unit import Unit
from services.materials.model import task as tasks
from services.materials.model.base import Table
from services.materials.model.task import OPEN, Kind, Task


class ZeroCheckNeeded(FailedPrecondition):
    """The pick should leave the place empty: the person has to look and say so (MAT-108)."""

    text = "{location} should be empty after {task}; look, and say in scan.rest whether it is."


class BinLock(Table, table=True):
    """No more of an item is allocated at a place until it is counted there (MAT-107)."""

    __tablename__ = "bin_lock"

    location: str = Field(sa_type=Text, primary_key=True)
    item: str = Field(sa_type=Text, primary_key=True)
    task: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    person: str = Field(sa_type=Text)
    lock_time: datetime = Field(sa_type=instant())


class ZeroConfirmation(Table, table=True):
    """A place that was seen after a pick which should have left it empty: a count of nothing, or the reason for one."""

    __tablename__ = "zero_confirmation"
    __table_args__ = (Index("ix_zero_confirmation_location", "site", "location", "confirm_time"),)

    task: str = Field(sa_type=Text, primary_key=True)
    site: str = Field(sa_type=Text)
    location: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text)
    lot: str = Field(sa_type=Text)
    empty: bool
    person: str = Field(sa_type=Text)
    device: str = Field(sa_type=Text)
    confirm_time: datetime = Field(sa_type=instant())


_LEFT = text("""
    select coalesce(sum(b.on_hand), 0) as left_there, bool_and(l.kind = 'STORAGE') as bin
    from location l left join balance b on b.site = l.site and b.location = l.name and b.on_hand > 0
    where l.name = :name
""")
_LOCK = text("""
    insert into bin_lock (location, item, task, reason, person, lock_time)
    values (:location, :item, :task, :reason, :person, now())
    on conflict (location, item) do update set task = excluded.task, reason = excluded.reason, person = excluded.person
""")
_UNLOCK = text("delete from bin_lock where location = :location and item = :item and task = :task returning item")


async def left(unit: Unit, location: str) -> Any:
    """What the books leave at a place; None for one that is no bin."""
    row = (await unit.execute(_LEFT, {"name": location})).one()
    return row.left_there if row.bin else None


async def count(unit: Unit, after: Task, note: str) -> Task:
    """A count of the item at the task's place is asked for, unless one is open there."""
    known: Task | None = await unit.first(
        select(Task)
        .where(
            Task.site == after.site,  # type: ignore[arg-type]
            Task.from_location == after.from_location,  # type: ignore[arg-type]
            Task.kind == Kind.COUNT,  # type: ignore[arg-type]
            Task.item == after.item,  # type: ignore[arg-type]
            Task.state.in_(OPEN),  # type: ignore[attr-defined]
        )
        .order_by(Task.name)
    )
    if known is not None:
        return known
    return unit.add(
        tasks.new(
            unit, after.site or "", Kind.COUNT, item=after.item, lot=after.lot, from_location=after.from_location,
            unit_code=after.unit_code, predecessor=after.task_name, priority=after.priority, note=note,
            correlation=after.correlation,
        )
    )  # fmt: skip


async def lock(unit: Unit, after: Task, counting: Task, reason: str) -> None:
    """Allocate no more of the item there until the count is done."""
    values = {"location": after.from_location, "item": after.item, "task": counting.name, "reason": reason}
    await unit.execute(_LOCK, {**values, "person": unit.caller.name})


async def unlock(unit: Unit, counting: Task) -> bool:
    """The count is done; whether a lock went away by that."""
    values = {"location": counting.from_location, "item": counting.item, "task": counting.name}
    return (await unit.execute(_UNLOCK, values)).first() is not None
