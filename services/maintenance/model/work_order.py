"""Work orders: the state machine, its guards and the events they cause (MNT-150 .. MNT-188)."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from plantops.maintenance.v1 import events_pb2 as events
from sqlalchemy import ARRAY, ForeignKey, Index, Numeric, Text, text
from sqlmodel import Field, Relationship

from services.chassis.faults import FailedPrecondition, FieldInvalid, TimeInFuture
from services.chassis.resource import enum_text, instant
from services.chassis.wire import canonical, date_message, fill, money
from services.maintenance.model.base import Resource
from services.maintenance.model.demand import CostKind, CostLine, DemandState, JournalEntry, PartDemand, Step

FUTURE = timedelta(minutes=5)
PARTS = "PARTS"


class State(StrEnum):
    PLANNED = "PLANNED"
    APPROVED = "APPROVED"
    READY = "READY"
    IN_PROGRESS = "IN_PROGRESS"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class Kind(StrEnum):
    PREVENTIVE = "PREVENTIVE"
    CORRECTIVE = "CORRECTIVE"
    CONDITION = "CONDITION"
    IMPROVEMENT = "IMPROVEMENT"
    INSPECTION = "INSPECTION"


class Origin(StrEnum):
    MANUAL = "MANUAL"
    POLICY = "POLICY"
    IMPORTED = "IMPORTED"


class Outcome(StrEnum):
    DONE = "DONE"
    PARTLY_DONE = "PARTLY_DONE"
    NOT_DONE = "NOT_DONE"
    NO_FAULT_FOUND = "NO_FAULT_FOUND"


class GateNotMet(FailedPrecondition):
    """Something still hinders the work; one violation for each."""

    text = "{work_order} cannot begin: {gates}."


class ActualsExist(FailedPrecondition):
    """What has begun is completed, not cancelled (MNT-152)."""

    text = "{work_order} has {actuals} already; complete it as NOT_DONE instead."


class StepsOpen(FailedPrecondition):
    """Mandatory steps are not recorded (MNT-157)."""

    text = "{work_order} has mandatory steps without result: {steps}."


PAIRS = frozenset(
    {
        (State.PLANNED, State.APPROVED),
        (State.APPROVED, State.READY),
        (State.READY, State.APPROVED),
        (State.APPROVED, State.PLANNED),
        (State.READY, State.PLANNED),
        (State.READY, State.IN_PROGRESS),
        (State.APPROVED, State.IN_PROGRESS),
        (State.IN_PROGRESS, State.PAUSED),
        (State.PAUSED, State.IN_PROGRESS),
        (State.IN_PROGRESS, State.COMPLETED),
        (State.PAUSED, State.COMPLETED),
        (State.APPROVED, State.COMPLETED),
        (State.READY, State.COMPLETED),
        (State.COMPLETED, State.IN_PROGRESS),
        (State.COMPLETED, State.CLOSED),
        (State.PLANNED, State.CANCELLED),
        (State.APPROVED, State.CANCELLED),
        (State.READY, State.CANCELLED),
    }
)

NOT_STARTED = (State.PLANNED, State.APPROVED, State.READY)
OPEN = (*NOT_STARTED, State.IN_PROGRESS, State.PAUSED)


class WorkOrder(Resource, table=True):
    """Authorised work on an asset."""

    __tablename__ = "work_order"
    COLLECTION: ClassVar[str] = "workOrders"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = PAIRS
    FILTERABLE: ClassVar[frozenset[str]] = frozenset(
        {"number", "asset", "state", "kind", "origin", "priority", "required_date", "external_id", "create_time"}
    )
    __table_args__ = (
        Index("ix_work_order_site", "site", "name"),
        Index("ix_work_order_asset", "asset", "name"),
        Index("ix_work_order_state", "site", "state", "name"),
        Index("ix_work_order_created", "site", "create_time", "name"),
        Index("uq_work_order_number", "number", unique=True),
        Index("ix_work_order_external", "site", "external_id", postgresql_where=text("external_id <> ''")),
    )

    number: str = Field(sa_type=Text)
    asset: str = Field(sa_type=Text, sa_column_args=[ForeignKey("asset.name")])
    kind: Kind = Field(sa_type=enum_text(Kind))
    origin: Origin = Field(default=Origin.MANUAL, sa_type=enum_text(Origin), nullable=False)
    title: str = Field(sa_type=Text)
    text: str = Field(default="", sa_type=Text, nullable=False)
    priority: int = Field(default=3, nullable=False)
    state: State = Field(default=State.PLANNED, sa_type=enum_text(State), nullable=False)
    wait_reasons: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    required_date: date | None = None
    planned_start_time: datetime | None = Field(default=None, sa_type=instant())
    planned_finish_time: datetime | None = Field(default=None, sa_type=instant())
    estimated_hours: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    demand_version: int = Field(default=0, nullable=False)
    cost_centre: str = Field(default="", sa_type=Text, nullable=False)
    reporter: str = Field(default="", sa_type=Text, nullable=False)
    approver: str = Field(default="", sa_type=Text, nullable=False)
    actual_start_time: datetime | None = Field(default=None, sa_type=instant())
    actual_finish_time: datetime | None = Field(default=None, sa_type=instant())
    labor_hours: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 6), nullable=False)
    down_hours: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    outcome: Outcome | None = Field(default=None, sa_type=enum_text(Outcome))
    finding: str = Field(default="", sa_type=Text, nullable=False)
    failure_mode: str = Field(default="", sa_type=Text, nullable=False)
    basis_changed: bool = Field(default=False, nullable=False)
    occurrence: str = Field(default="", sa_type=Text, nullable=False)
    decision: str = Field(default="", sa_type=Text, nullable=False)
    policy_revision: str = Field(default="", sa_type=Text, nullable=False)
    currency_code: str = Field(sa_type=Text)
    cost: Decimal = Field(default=Decimal(0), sa_type=Numeric(24, 9), nullable=False)
    external_id: str = Field(default="", sa_type=Text, nullable=False)
    part_demands: list[PartDemand] = Relationship(
        sa_relationship_kwargs={
            "lazy": "selectin", "order_by": "PartDemand.position", "cascade": "all, delete-orphan"
        }
    )  # fmt: skip
    steps: list[Step] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "Step.number", "cascade": "all, delete-orphan"}
    )
    cost_lines: list[CostLine] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "CostLine.cost_date", "cascade": "all"}
    )
    journal: list[JournalEntry] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "JournalEntry.number", "cascade": "all"}
    )

    # --- contents -------------------------------------------------------------------------------------------

    def note(self, at: datetime, actor: str, text: str) -> None:
        """Write into the order's journal."""
        self.journal.append(
            JournalEntry(work_order=self.name, number=len(self.journal) + 1, time=at, actor=actor, text=text)
        )
        self.touch()

    def demand(self, item: str, quantity: Decimal, unit_code: str, *, mandatory: bool, **given: Any) -> PartDemand:
        """Add a part demand; the id is made from its position unless given."""
        if quantity <= 0:
            raise FieldInvalid(field="part_demands.quantity.value", rule="must be more than 0", value=quantity)
        key = given.pop("demand", "") or f"p{len(self.part_demands) + 1}"
        if any(known.demand == key for known in self.part_demands):
            raise FieldInvalid(field="part_demands.demand", rule="must be unique in the order", value=key)
        found = PartDemand(
            work_order=self.name, demand=key, position=len(self.part_demands) + 1, item=item, quantity=quantity,
            unit_code=unit_code, mandatory=mandatory, **given,
        )  # fmt: skip
        self.part_demands.append(found)
        return found

    def step(self, text: str, *, mandatory: bool) -> None:
        """Add a step."""
        self.steps.append(Step(work_order=self.name, number=len(self.steps) + 1, text=text, mandatory=mandatory))

    def book(self, kind: CostKind, amount: Decimal, source: str, day: date) -> None:
        """Add a cost line once for its source; the sum follows."""
        if any(line.source == source for line in self.cost_lines):
            return
        self.cost_lines.append(
            CostLine(
                work_order=self.name,
                source=source,
                kind=kind,
                amount=amount,
                currency_code=self.currency_code,
                cost_date=day,
            )
        )
        self.cost += amount

    def find_demand(self, demand: str) -> PartDemand | None:
        """The demand of an id."""
        return next((row for row in self.part_demands if row.demand == demand), None)

    # --- the way of an order --------------------------------------------------------------------------------

    def created(self) -> events.WorkOrderCreated:
        """The order exists."""
        message = events.WorkOrderCreated(
            number=self.number, asset=self.asset, kind=self.kind.value, origin=self.origin.value,
            priority=self.priority, policy_revision=self.policy_revision, occurrence=self.occurrence,
        )  # fmt: skip
        if self.required_date is not None:
            message.required_date.CopyFrom(date_message(self.required_date))
        return self.event(message)

    def approve(self, by: str, at: datetime) -> events.WorkOrderApproved:
        """Authorise and state all demands with a new version (MNT-180)."""
        self.move(State.APPROVED)
        self.approver = by
        self.demand_version += 1
        for row in self.part_demands:
            row.need_time = row.need_time or self.planned_start_time or at
        self.note(at, by, f"approved with {len(self.part_demands)} part demands")
        self.judge(at)
        message = events.WorkOrderApproved(
            asset=self.asset,
            priority=self.priority,
            cost_centre=self.cost_centre,
            demand_version=self.demand_version,
        )
        for row in self.part_demands:
            fill(message.part_demands.add(priority=self.priority), row)
        return self.event(message)

    def revise(self, by: str, at: datetime, reason: str) -> None:
        """Back to planning; the demands stand until the next approval."""
        self._without_actuals()
        self.move(State.PLANNED)
        self.note(at, by, f"revised: {reason}")

    def reschedule(
        self, start: datetime, finish: datetime, reason: str, by: str, at: datetime
    ) -> events.WorkOrderRescheduled:
        """Move the planned window; the required date stays (MNT-128)."""
        if self.state not in NOT_STARTED:
            self.move(State.PLANNED)
        if finish < start:
            raise FieldInvalid(field="planned_finish_time", rule="must not be before planned_start_time")
        self.planned_start_time, self.planned_finish_time = start, finish
        for row in self.part_demands:
            row.need_time = start
        self.note(at, by, f"rescheduled: {reason}")
        message = events.WorkOrderRescheduled(reason=reason)
        message.planned_start_time.FromDatetime(start)
        message.planned_finish_time.FromDatetime(finish)
        return self.event(message)

    def judge(self, at: datetime) -> None:
        """Derive the wait reasons and move between APPROVED and READY (5.2)."""
        missing = [row.demand for row in self.part_demands if row.mandatory and not row.covered]
        self.wait_reasons = [PARTS] if missing else []
        if self.state is State.APPROVED and not self.wait_reasons:
            self.move(State.READY)
            self.note(at, "services/maintenance", "ready: nothing hinders it")
        elif self.state is State.READY and self.wait_reasons:
            self.move(State.APPROVED)
            self.note(at, "services/maintenance", f"waits for {', '.join(missing)}")

    def start(self, by: str, at: datetime, begin: datetime, override: str) -> events.WorkOrderStarted:
        """Begin; parts may be passed by override, safety never (MNT-160)."""
        self._not_future("start_time", begin, at)
        if self.state is State.APPROVED and not override:
            fault = GateNotMet(work_order=self.name, gates=", ".join(self.wait_reasons))
            for row in self.part_demands:
                if row.mandatory and not row.covered:
                    missing = canonical(row.quantity - row.allocated - row.issued)
                    fault.because(PARTS, row.item, f"{missing} {row.unit_code} are missing")
            raise fault
        passed = list(self.wait_reasons) if self.state is State.APPROVED else []
        self.move(State.IN_PROGRESS)
        self.actual_start_time = begin
        self.note(at, by, f"started, passing {', '.join(passed)}: {override}" if passed else "started")
        message = events.WorkOrderStarted(overrides=passed)
        message.actual_start_time.FromDatetime(begin)
        return self.event(message)

    def pause(self, by: str, at: datetime, reason: str) -> None:
        """Interrupt."""
        self.move(State.PAUSED)
        self.note(at, by, f"paused: {reason}")

    def resume(self, by: str, at: datetime) -> None:
        """Go on."""
        if self.state is not State.PAUSED:
            self.move(State.PAUSED)
        self.move(State.IN_PROGRESS)
        self.note(at, by, "resumed")

    def record_step(self, number: int, result: str, by: str, at: datetime) -> None:
        """Record what came out at a step, in any state (MNT-163)."""
        row = next((row for row in self.steps if row.number == number), None)
        if row is None:
            raise FieldInvalid(field="step", rule=f"must be one of 1 to {len(self.steps)}", value=number)
        row.result, row.person = result, by
        self.note(at, by, f"step {number}: {result}")

    def complete(
        self,
        outcome: Outcome,
        by: str,
        at: datetime,
        *,
        start: datetime | None,
        finish: datetime,
        labor_hours: Decimal | None,
        down_hours: Decimal | None,
        finding: str,
        failure_mode: str,
        keep_reservations: bool,
    ) -> events.WorkOrderCompleted:
        """The physical work has ended (MNT-153, MNT-154, MNT-157, MNT-240)."""
        begin = start or self.actual_start_time
        self._not_future("finish_time", finish, at)
        if self.state in (State.APPROVED, State.READY) and not self._actuals():
            raise GateNotMet(work_order=self.name, gates="it has not been started")
        if begin is None or begin > finish:
            raise FieldInvalid(field="start_time", rule="must not be after finish_time", value=begin or "")
        for name, hours in (("labor_hours", labor_hours), ("down_hours", down_hours)):
            if hours is not None and hours < 0:
                raise FieldInvalid(field=name, rule="must not be negative", value=hours)
        still_open = [str(row.number) for row in self.steps if row.mandatory and not row.result]
        if still_open and outcome in (Outcome.DONE, Outcome.NO_FAULT_FOUND):
            raise StepsOpen(work_order=self.name, steps=", ".join(still_open))
        if self.kind is Kind.CORRECTIVE and outcome is Outcome.DONE and not failure_mode:
            raise FieldInvalid(field="failure_mode", rule="is required to complete a corrective order (MNT-240)")
        self.move(State.COMPLETED)
        self.outcome, self.finding, self.failure_mode = outcome, finding, failure_mode
        self.actual_start_time, self.actual_finish_time = begin, finish
        self.labor_hours = labor_hours if labor_hours is not None else self.labor_hours
        self.down_hours = down_hours if down_hours is not None else self.down_hours
        self.wait_reasons = []
        self.note(at, by, f"completed: {outcome}")
        message = events.WorkOrderCompleted(
            asset=self.asset, outcome=outcome.value, keep_reservations=keep_reservations
        )
        message.actual_start_time.FromDatetime(begin)
        message.actual_finish_time.FromDatetime(finish)
        return self.event(message)

    def reopen(self, by: str, at: datetime, reason: str) -> events.WorkOrderStarted:
        """Take it up again (MNT-155)."""
        if self.state is not State.COMPLETED:
            self.move(State.COMPLETED)
        self.move(State.IN_PROGRESS)
        self.note(at, by, f"reopened: {reason}")
        self.outcome, self.actual_finish_time = None, None
        message = events.WorkOrderStarted(reopened=True)
        if self.actual_start_time is not None:
            message.actual_start_time.FromDatetime(self.actual_start_time)
        return self.event(message)

    def close(self, by: str, at: datetime) -> events.WorkOrderClosed:
        """Freeze the cost."""
        self.move(State.CLOSED)
        self.note(at, by, "closed")
        return self.event(events.WorkOrderClosed(cost=money(self.cost, self.currency_code)))

    def cancel(self, by: str, at: datetime, reason: str) -> events.WorkOrderCancelled:
        """Give it up before it has begun (MNT-152)."""
        self._without_actuals()
        self.move(State.CANCELLED)
        self.wait_reasons = []
        self.note(at, by, f"cancelled: {reason}")
        return self.event(events.WorkOrderCancelled(reason=reason))

    # --- guards ---------------------------------------------------------------------------------------------

    def _actuals(self) -> list[str]:
        found = ["labour"] if self.labor_hours else []
        return found + (["issued parts"] if any(row.issued for row in self.part_demands) else [])

    def _without_actuals(self) -> None:
        actuals = self._actuals()
        if actuals and self.state in NOT_STARTED:
            raise ActualsExist(work_order=self.name, actuals=" and ".join(actuals))

    def _not_future(self, name: str, value: datetime, at: datetime) -> None:
        if value > at + FUTURE:
            raise TimeInFuture(field=name, value=value.isoformat(), limit=(at + FUTURE).isoformat())


def allocated(
    order: WorkOrder, row: PartDemand, quantity: Decimal, reservation: str, state: DemandState, at: datetime
) -> None:
    """What materials says about a demand; readiness follows."""
    row.allocated, row.reservation, row.state = quantity, reservation, state
    order.touch()
    order.judge(at)
