"""Lines of receipts that are no stock: bought for one work order, without item, lot, balance or value (MAT-102)."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Numeric, Text, select, text
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition
from services.chassis.resource import enum_text, instant
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.model import task as tasks
from services.materials.model.base import Resource, listed
from services.materials.model.task import Kind, Task, TaskState

ZERO = Decimal(0)


class DirectState(StrEnum):
    """How far it got."""

    COUNTED = "COUNTED"
    RECEIVED = "RECEIVED"
    STAGED = "STAGED"
    HANDED_OVER = "HANDED_OVER"
    RETURNED = "RETURNED"
    CANCELLED = "CANCELLED"


S = DirectState
WAITING = (S.RECEIVED, S.STAGED)
"""States in which it waits for who needs it."""
PAIRS = frozenset(
    {
        (S.COUNTED, S.RECEIVED), (S.COUNTED, S.STAGED), (S.COUNTED, S.CANCELLED), (S.RECEIVED, S.CANCELLED),
        (S.RECEIVED, S.STAGED), (S.RECEIVED, S.HANDED_OVER), (S.STAGED, S.HANDED_OVER), (S.RECEIVED, S.RETURNED),
        (S.STAGED, S.RETURNED), (S.HANDED_OVER, S.RETURNED),
    }
)  # fmt: skip


class DirectNotThere(FailedPrecondition):
    """More goes back than came and is still there (MAT-102)."""

    reason = "TOLERANCE_EXCEEDED"
    text = "Of {direct_line} {open} {unit_code} have not gone back; {asked} cannot."


class DirectLine(Resource, table=True):
    """What came for a work order beside the stock; quantities in the order unit."""

    __tablename__ = "direct_line"
    COLLECTION: ClassVar[str] = "directLines"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = PAIRS
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"receipt", "work_order", "purchase_order", "state"})
    __table_args__ = (
        Index("uq_direct_line", "receipt", "line", unique=True),
        Index("ix_direct_line_site", "site", "name"),
        *listed("direct_line", "receipt", "work_order", "purchase_order", "state"),
        CheckConstraint("returned between 0 and greatest(quantity, 0)", name="returned"),
    )

    receipt: str = Field(sa_type=Text, sa_column_args=[ForeignKey("receipt.name")])
    line: int
    expected_receipt: str = Field(sa_type=Text)
    purchase_order: str = Field(sa_type=Text)
    order_line: int
    schedule_line: int
    text: str = Field(sa_type=Text)
    work_order: str = Field(sa_type=Text)
    demand: str = Field(sa_type=Text)
    delivery_location: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    returned: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    location: str = Field(sa_type=Text)
    state: DirectState = Field(default=DirectState.COUNTED, sa_type=enum_text(DirectState), nullable=False)
    over: bool = Field(default=False, nullable=False)
    returned_line: int = Field(default=0, nullable=False)
    reason_code: str = Field(default="", sa_type=Text, nullable=False)
    label_code: str = Field(sa_type=Text)
    stage_task: str = Field(default="", sa_type=Text, nullable=False)
    hand_over_person: str = Field(default="", sa_type=Text, nullable=False)
    hand_over_time: datetime | None = Field(default=None, sa_type=instant())
    exception_task: str = Field(default="", sa_type=Text, nullable=False)
    documents: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]

    @property
    def label_text(self) -> str:
        """What its label says: how much of what, for which work order, to where."""
        what = f"{canonical(self.quantity)} {self.unit_code} {self.text}"
        where = f", to {self.delivery_location.rsplit('/', 1)[-1]}" if self.delivery_location else ""
        return f"{self.label_code}: {what}, for {self.work_order.rsplit('/', 1)[-1]}{where}"

    def staged(self, place: str) -> None:
        """It is where it was to be brought."""
        self.move(DirectState.STAGED)
        self.location = place

    def hand_over(self, person: str, at: datetime) -> None:
        """Who needs it has it."""
        self.move(DirectState.HANDED_OVER)
        self.hand_over_person, self.hand_over_time = person, at

    def give_back(self, amount: Decimal) -> None:
        """Count what goes back, never more than came; RETURNED when all of it went."""
        if self.state not in (*WAITING, DirectState.HANDED_OVER):
            self.move(DirectState.RETURNED)  # refused
        if amount > self.quantity - self.returned:
            raise DirectNotThere(
                direct_line=self.name, open=canonical(self.quantity - self.returned), unit_code=self.unit_code,
                asked=canonical(amount),
            )  # fmt: skip
        self.returned += amount
        if self.returned == self.quantity:
            self.move(DirectState.RETURNED)


def raise_for(unit: Unit, row: DirectLine, note: str) -> Task:
    """A person has to look after it."""
    return unit.add(
        tasks.new(
            unit, row.site or "", Kind.EXCEPTION_TASK, from_location=row.location, receipt=row.receipt,
            receipt_line=row.line, note=f"{row.label_text}: {note}", correlation=row.chain,
        )
    )  # fmt: skip


def stage(unit: Unit, row: DirectLine) -> None:
    """It has to be brought to where it is needed."""
    task = unit.add(
        tasks.new(
            unit, row.site or "", Kind.STAGE, from_location=row.location, proposed_location=row.delivery_location,
            quantity=row.quantity, unit_code=row.unit_code, receipt=row.receipt, receipt_line=row.line,
            note=row.label_text, correlation=row.chain,
        )
    )  # fmt: skip
    row.stage_task = task.name


async def of_task(unit: Unit, task: Task) -> DirectLine:
    """The line that a task brings, locked behind it."""
    return await unit.get(DirectLine, await _name(unit, task))


async def _name(unit: Unit, task: Task) -> str:
    columns: Any = DirectLine
    statement = select(columns.name).where(columns.receipt == task.receipt, columns.line == task.receipt_line)
    return str((await unit.execute(statement)).scalar_one())


async def take_up(unit: Unit, name: str, *, etag: str = "") -> tuple[DirectLine, Task | None]:
    """A line with the open task that brings it, the task locked before."""
    columns: Any = DirectLine
    known = (await unit.execute(select(columns.stage_task).where(columns.name == name))).scalar()
    task = await unit.get(Task, known) if known else None
    row = await unit.get(DirectLine, name, etag=etag)
    return row, task if task is not None and task.state in tasks.OPEN else None


_HURRY = text("""
    with wanted as (
      select t.name from direct_line d join put_away_task t on t.name = d.stage_task
      where d.site = :site and d.work_order = :work_order and d.state = 'RECEIVED'
        and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING', 'EXCEPTION')
      order by t.name for update of t
    )
    update put_away_task t set priority = 1, version = t.version + 1, update_time = now()
    from wanted w where t.name = w.name and t.priority <> 1 returning t.name, t.version
""")


async def hurry(unit: Unit, work_order: str) -> None:
    """What an order that was started waits for is brought first (MAT-112)."""
    rows = await unit.execute(_HURRY, {"site": work_order.split("/")[1], "work_order": work_order})
    tasks.audit_all(unit, rows, {"priority": 1})


async def end(unit: Unit, work_order: str, why: str) -> None:
    """The work order ended: who has its parts has to say what becomes of those that nobody fetched (MAT-102)."""
    columns: Any = DirectLine
    waiting = columns.state.in_(WAITING)
    where = (columns.site == work_order.split("/")[1], columns.work_order == work_order, waiting)
    known = (await unit.execute(select(columns.stage_task).where(*where))).scalars().all()
    found = await unit.get_many(Task, [name for name in known if name])
    rows: Sequence[DirectLine] = await unit.all(
        select(DirectLine).where(*where, columns.exception_task == "").order_by(columns.name).with_for_update()
    )
    for row in rows:
        if row.stage_task in found:
            found[row.stage_task].end(TaskState.CANCELLED)
        row.exception_task = raise_for(unit, row, why).name
