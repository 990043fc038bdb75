"""Tasks: one directed step each for a person with a scanner, leased to one at a time (MAT-105, MAT-106)."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import Index, Numeric, Text, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition, FieldInvalid, ResourceNotFound, TransitionNotAllowed
from services.chassis.resource import enum_text, instant
from services.chassis.unit import Unit
from services.materials.model import ledger
from services.materials.model.base import Resource, listed
from services.materials.model.movement import Status

PUT_AWAYS = "putAwayTasks"
"""Collection under which put-aways are known too; the id is the same."""
LEASE, LONGEST_LEASE = timedelta(minutes=15), timedelta(hours=12)


class Kind(StrEnum):
    PUT_AWAY = "PUT_AWAY"
    PICK = "PICK"
    STAGE = "STAGE"
    REPLENISH = "REPLENISH"
    COUNT = "COUNT"
    RETURN = "RETURN"
    SHIP = "SHIP"
    EXCEPTION_TASK = "EXCEPTION_TASK"


WITHOUT_GOODS = frozenset({Kind.COUNT, Kind.EXCEPTION_TASK})
"""Kinds that move nothing."""


class TaskState(StrEnum):
    PLANNED = "PLANNED"
    READY = "READY"
    LEASED = "LEASED"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    SHORTENED = "SHORTENED"
    WAITING = "WAITING"
    CANCELLED = "CANCELLED"
    EXCEPTION = "EXCEPTION"


S = TaskState
ENDED = (S.COMPLETED, S.SHORTENED, S.CANCELLED)
AT_WORK = (S.PLANNED, S.READY, S.LEASED, S.STARTED, S.WAITING)
"""States in which goods are to be moved, or are being moved."""
OPEN = (*AT_WORK, S.EXCEPTION)
PAIRS = frozenset(
    {
        (S.PLANNED, S.READY), (S.READY, S.LEASED), (S.LEASED, S.STARTED),
        (S.STARTED, S.COMPLETED), (S.STARTED, S.SHORTENED),
        (S.READY, S.WAITING), (S.WAITING, S.READY), (S.LEASED, S.WAITING), (S.WAITING, S.LEASED),
        (S.LEASED, S.READY), (S.EXCEPTION, S.READY),
        *((state, S.CANCELLED) for state in OPEN),
        *((state, S.EXCEPTION) for state in AT_WORK),
        # done along with the handling unit around the goods, or told afterwards (decision 0019)
        (S.READY, S.COMPLETED), (S.LEASED, S.COMPLETED), (S.WAITING, S.COMPLETED),
    }
)  # fmt: skip


class TaskLeased(FailedPrecondition):
    """Another person, or another scanner, has the task (MAT-105)."""

    text = "{task} is leased to {person} with scanner '{device}' until {until}."


class Task(Resource, table=True):
    """One directed step; quantities in the base unit, those without goods have 0.

    The table is called after the put-aways that it held first (decision 0019).
    """

    __tablename__ = "put_away_task"
    COLLECTION: ClassVar[str] = "tasks"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = PAIRS
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"item", "state", "receipt", "from_location"})
    __table_args__ = (
        Index("ix_put_away_task_site", "site", "name"),
        Index("ix_put_away_task_update_time", "site", "state", "update_time"),
        Index("ix_put_away_task_reservation", "reservation", postgresql_where=text("reservation <> ''")),
        Index("ix_put_away_task_receipt", "receipt"),
        *listed("put_away_task", "item", "state", "from_location"),
        Index("ix_put_away_task_proposed", "site", "proposed_location", postgresql_where=text("state = 'READY'")),
    )

    item: str = Field(default="", sa_type=Text, nullable=False)
    lot: str = Field(default="", sa_type=Text, nullable=False)
    from_location: str = Field(sa_type=Text)
    proposed_location: str = Field(default="", sa_type=Text, nullable=False)
    no_place_reason: str = Field(default="", sa_type=Text, nullable=False)
    to_location: str = Field(default="", sa_type=Text, nullable=False)
    quantity: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 6), nullable=False)
    unit_code: str = Field(default="", sa_type=Text, nullable=False)
    status: Status = Field(default=Status.UNRESTRICTED, sa_type=enum_text(Status), nullable=False)
    receipt: str = Field(default="", sa_type=Text, nullable=False)
    receipt_line: int = Field(default=0, nullable=False)
    movement: str = Field(default="", sa_type=Text, nullable=False)
    second_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    second_quantity_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    state: TaskState = Field(default=TaskState.READY, sa_type=enum_text(TaskState), nullable=False)
    handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    owner: str = Field(default="", sa_type=Text, nullable=False)
    serials: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    kind: Kind = Field(default=Kind.PUT_AWAY, sa_type=enum_text(Kind), nullable=False)
    priority: int = Field(default=3, nullable=False)
    deadline_time: datetime | None = Field(default=None, sa_type=instant())
    skills: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    equipment: str = Field(default="", sa_type=Text, nullable=False)
    predecessor: str = Field(default="", sa_type=Text, nullable=False)
    reservation: str = Field(default="", sa_type=Text, nullable=False)
    wave: str = Field(default="", sa_type=Text, nullable=False)
    to_handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    lease_person: str = Field(default="", sa_type=Text, nullable=False)
    lease_device: str = Field(default="", sa_type=Text, nullable=False)
    lease_expire_time: datetime | None = Field(default=None, sa_type=instant())
    lease_time: datetime | None = Field(default=None, sa_type=instant())  # the database notes both, whatever ends it
    leased_seconds: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 6), nullable=False)
    done_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    short_reason: str = Field(default="", sa_type=Text, nullable=False)
    skipped_scans: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    note: str = Field(default="", sa_type=Text, nullable=False)
    decision: str = Field(default="", sa_type=Text, nullable=False)
    shipment: str = Field(default="", sa_type=Text, nullable=False)

    @property
    def task_name(self) -> str:
        """Its name among tasks of all kinds."""
        return self.name.replace(f"/{PUT_AWAYS}/", f"/{self.COLLECTION}/")

    def held_by_another(self, person: str, device: str, now: datetime) -> bool:
        """Whether somebody else has it: a lease that ran out counts no more, work that was begun does."""
        if self.state not in (S.LEASED, S.STARTED):
            return False
        if (self.lease_person, self.lease_device) == (person, device):
            return False
        if self.lease_person == person and not self.lease_device:
            return False
        over = self.lease_expire_time is not None and self.lease_expire_time <= now
        return self.state is S.STARTED or not over

    def free_for(self, person: str, device: str, now: datetime) -> "Task":
        """TaskLeased when somebody else has it."""
        if self.held_by_another(person, device, now):
            until = self.lease_expire_time.isoformat() if self.lease_expire_time is not None else ""
            raise TaskLeased(task=self.task_name, person=self.lease_person, device=self.lease_device, until=until)
        return self

    def lease(self, person: str, device: str, until: datetime) -> "Task":
        """Give it to a person, who has nobody before or is the same."""
        if self.state is not S.LEASED:
            self.move(S.LEASED)
        return self.hand_to(person, device, until)

    def hand_to(self, person: str, device: str, until: datetime) -> "Task":
        """Note who has it."""
        self.lease_person, self.lease_device, self.lease_expire_time = person, device, until
        return self

    def release(self) -> "Task":
        """Nobody has it any more."""
        if self.state not in (S.LEASED, S.EXCEPTION):
            allowed = sorted(str(after) for before, after in PAIRS if before is self.state)
            raise TransitionNotAllowed(
                resource=self.task_name, state=self.state, allowed=allowed or "nothing", wanted=str(S.READY)
            )
        self.move(S.READY)
        self.lease_person, self.lease_device, self.lease_expire_time = "", "", None
        return self

    def end(self, state: TaskState) -> "Task":
        """Not needed, or not to be done as it is; nothing where it has ended."""
        if self.state in OPEN and self.state is not state:
            self.move(state)
        return self


def span(given: Any, field: str, longest: timedelta) -> timedelta:
    """A Duration that is not negative and at most so long; FieldInvalid for another."""
    asked = timedelta(seconds=given.seconds) if 0 <= given.seconds <= longest.total_seconds() else -LEASE
    if not timedelta(0) <= asked + timedelta(microseconds=given.nanos // 1000) <= longest:
        rule = f"must be between 0 and {longest.total_seconds():.0f} seconds"
        raise FieldInvalid(field=field, rule=rule, value=given.seconds)
    return asked + timedelta(microseconds=given.nanos // 1000)


def lease_of(given: Any) -> timedelta:
    """How long a lease is asked for: 15 minutes unless said otherwise, at most 12 hours."""
    return span(given, "lease_duration", LONGEST_LEASE) or LEASE


def new(unit: Unit, site: str, kind: Kind, **values: Any) -> Task:
    """A task under a new name, not yet written."""
    collection = PUT_AWAYS if kind is Kind.PUT_AWAY else Task.COLLECTION
    return Task(name=unit.new_name(f"sites/{site}", collection), kind=kind, **values)


def names_of(name: str) -> list[str]:
    """Names under which a task may be kept: its own, and that of a put-away with the same id."""
    return [name, name.replace(f"/{Task.COLLECTION}/", f"/{PUT_AWAYS}/")]


async def find(unit: Unit, name: str, *, etag: str = "", lock: bool | None = None) -> Task:
    """The task of that name; ResourceNotFound without one."""
    known = await _known(unit, name)
    return await unit.get(Task, known.name if known is not None else name, etag=etag, lock=lock)


async def take_up(unit: Unit, name: str, *, etag: str = "") -> Task:
    """The task of that name, locked behind the stock of its item (MAT-74)."""
    known = await _known(unit, name)
    if known is None:
        raise ResourceNotFound(resource=name)
    if known.item:
        await ledger.hold(unit, known.site, [known.item])
    return await unit.get(Task, known.name, etag=etag)


async def begin(unit: Unit, task: Task, device: str, until: datetime) -> Task:
    """Bring it to STARTED for the caller, by way of a lease; TaskLeased, or TransitionNotAllowed from elsewhere."""
    person = unit.caller.name
    task.free_for(person, device, unit.now)
    if task.state is S.READY:
        task.lease(person, device, until)
        await unit.flush()
    if task.state is not S.STARTED:
        task.hand_to(person, device, until).move(S.STARTED)
        await unit.flush()
    return task


async def _known(unit: Unit, name: str) -> Any:
    columns: Any = Task
    statement = select(columns.name, columns.site, columns.item, columns.handling_unit)
    return (await unit.execute(statement.where(columns.name.in_(names_of(name))))).first()


_EXPIRED = text("""
    with over as (
      select name from put_away_task
      where site = any(select substr(name, 7) from site_fact) and state = 'LEASED' and lease_expire_time <= now()
      order by name for update skip locked
    )
    update put_away_task t set state = 'READY', version = t.version + 1, update_time = now()
    from over where t.name = over.name
    returning t.name, t.version, t.lease_person
""")


async def open_expired(unit: Unit) -> int:
    """Tasks whose lease ran out are open again, by the database's clock; who had them stays known (MAT-105)."""
    rows = (await unit.execute(_EXPIRED)).all()
    for row in rows:
        unit.audit(row.name, "", {"state": "LEASED"}, {"state": "READY"}, row.version)
    return len(rows)


def audit_all(unit: Unit, rows: Iterable[Any], after: Mapping[str, Any]) -> int:
    """Note what a set-based statement changed; gives how many tasks it were."""
    found = list(rows)
    for row in found:
        unit.audit(row.name, "", {}, dict(after), row.version)
    return len(found)
