"""Work orders: the state machine, its guards and the events they cause (MNT-150 .. MNT-188)."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from plantops.maintenance.v1 import events_pb2 as events
from sqlalchemy import ARRAY, ForeignKey, Index, Numeric, Text, text
from sqlmodel import Field, Relationship

from services.chassis.faults import FieldInvalid, TimeInFuture, TransitionNotAllowed
from services.chassis.resource import enum_text, instant
from services.chassis.wire import canonical, date_message, fill, money
from services.maintenance.model.base import Resource
from services.maintenance.model.demand import CostKind, CostLine, JournalEntry, PartDemand, Step
from services.maintenance.model.work_order_state import (
    COMMANDS,
    ENDED,
    NOT_STARTED,
    OPEN,
    PAIRS,
    ActualsExist,
    GateNotMet,
    Kind,
    Origin,
    Outcome,
    State,
    StepsOpen,
)

__all__ = [
    "COMMANDS", "ENDED", "NOT_STARTED", "OPEN", "PAIRS", "ActualsExist", "CostKind", "GateNotMet", "Kind", "Origin",
    "Outcome", "State", "StepsOpen", "WorkOrder",
]  # fmt: skip

FUTURE = timedelta(minutes=5)
PARTS = "PARTS"
SYSTEM = "services/maintenance"


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
        Index("uq_work_order_number", "site", "number", unique=True),
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
        found = self._demand(
            self.part_demands, item=item, quantity=quantity, unit_code=unit_code, mandatory=mandatory, **given
        )
        self.part_demands.append(found)
        return found

    def _demand(self, others: Sequence[PartDemand], *, quantity: Decimal, demand: str = "", **given: Any) -> PartDemand:
        if quantity <= 0:
            raise FieldInvalid(field="part_demands.quantity.value", rule="must be more than 0", value=quantity)
        key = demand or f"p{len(others) + 1}"
        if any(known.demand == key for known in others):
            raise FieldInvalid(field="part_demands.demand", rule="must be unique in the order", value=key)
        return PartDemand(work_order=self.name, demand=key, position=len(others) + 1, quantity=quantity, **given)

    def replace_demands(self, wanted: Sequence[Mapping[str, Any]]) -> None:
        """Put other demands in place of the present ones; what is known of a demand of the same id and item stays.

        Reservations stand until the next approval, and materials does not answer again for what has not changed.
        """
        known = {row.demand: row for row in self.part_demands}
        kept: list[PartDemand] = []
        for values in wanted:
            row = self._demand(kept, **values)
            kept.append(known[row.demand].become(row) if row.demand in known else row)
        self.part_demands = kept
        self.touch()

    def step(self, text: str, *, mandatory: bool) -> None:
        """Add a step."""
        self.steps.append(Step(work_order=self.name, number=len(self.steps) + 1, text=text, mandatory=mandatory))

    def book(self, kind: CostKind, amount: Decimal, source: str, day: date) -> None:
        """Add a cost line once for its source; the sum follows."""
        if self.booked(source):
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

    def booked(self, source: str) -> bool:
        """Whether a cost line has this source already."""
        return any(line.source == source for line in self.cost_lines)

    @property
    def open_steps(self) -> list[str]:
        """Numbers of the mandatory steps without result."""
        return [str(row.number) for row in self.steps if row.mandatory and not row.result]

    @property
    def satisfies(self) -> bool:
        """Whether the outcome does what fell due; PARTLY_DONE only with all mandatory steps done (MNT-154)."""
        if self.outcome is Outcome.PARTLY_DONE:
            return not self.open_steps
        return self.outcome in (Outcome.DONE, Outcome.NO_FAULT_FOUND)

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

    def allowed_commands(self) -> list[str]:
        """Commands that the present state allows, in the order of a work order's way."""
        return [command for command, states in COMMANDS.items() if self.state in states]

    def _command(self, command: str) -> None:
        """Refuse a command that the state does not allow, naming those that it does (MNT-150)."""
        if self.state not in COMMANDS[command]:
            allowed = ", ".join(self.allowed_commands())
            raise TransitionNotAllowed(
                resource=self.name, state=str(self.state), allowed=allowed or "nothing", wanted=command
            )

    def approve(self, by: str, at: datetime) -> events.WorkOrderApproved:
        """Authorise and state all demands with a new version (MNT-180); whether it is ready says `judge`."""
        self._command("ApproveWorkOrder")
        self.move(State.APPROVED)
        self.approver = by
        self.demand_version += 1
        for row in self.part_demands:
            row.need_time = row.need_time or self.planned_start_time or at
        self.note(at, by, f"approved with {len(self.part_demands)} part demands")
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
        self._command("ReviseWorkOrder")
        self._without_actuals()
        self.move(State.PLANNED)
        self.wait_reasons = []
        self.note(at, by, f"revised: {reason}")

    def reschedule(
        self, start: datetime, finish: datetime, reason: str, by: str, at: datetime
    ) -> events.WorkOrderRescheduled:
        """Move the planned window; the required date stays (MNT-128)."""
        self._command("RescheduleWorkOrder")
        self.plan(start, finish)
        for row in self.part_demands:
            row.need_time = start
        self.note(at, by, f"rescheduled: {reason}")
        message = events.WorkOrderRescheduled(reason=reason)
        message.planned_start_time.FromDatetime(start)
        message.planned_finish_time.FromDatetime(finish)
        return self.event(message)

    def plan(self, start: datetime | None, finish: datetime | None) -> None:
        """Set the planned window; FieldInvalid when it ends before it begins."""
        if start is not None and finish is not None and finish < start:
            raise FieldInvalid(field="planned_finish_time", rule="must not be before planned_start_time")
        self.planned_start_time, self.planned_finish_time = start, finish

    def judge(self, at: datetime) -> None:
        """Derive the wait reasons and move between APPROVED and READY (5.2); other states wait for nothing."""
        if self.state not in (State.APPROVED, State.READY):
            self.wait_reasons = []
            return
        missing = [row.demand for row in self.part_demands if row.mandatory and not row.covered]
        self.wait_reasons = [PARTS] if missing else []
        if self.state is State.APPROVED and not missing:
            self.move(State.READY)
            self.note(at, SYSTEM, "ready: nothing hinders it")
        elif self.state is State.READY and missing:
            self.move(State.APPROVED)
            self.note(at, SYSTEM, f"waits for {', '.join(missing)}")

    def start(self, by: str, at: datetime, begin: datetime, override: str) -> events.WorkOrderStarted:
        """Begin; parts may be passed by override, safety never (MNT-160)."""
        self._command("StartWorkOrder")
        self._not_future("start_time", begin, at)
        passed = list(self.wait_reasons) if self.state is State.APPROVED else []
        if self.state is State.APPROVED and not override:
            fault = GateNotMet(work_order=self.name, gates=", ".join(self.wait_reasons))
            for row in self.part_demands:
                if row.mandatory and not row.covered:
                    missing = canonical(row.quantity - row.allocated - row.issued)
                    fault.because(PARTS, row.item, f"{missing} {row.unit_code} are missing")
            raise fault
        self.move(State.IN_PROGRESS)
        self.wait_reasons = []
        self.actual_start_time = begin
        self.note(at, by, f"started, passing {', '.join(passed)}: {override}" if passed else "started")
        message = events.WorkOrderStarted(overrides=passed)
        message.actual_start_time.FromDatetime(begin)
        return self.event(message)

    def pause(self, by: str, at: datetime, reason: str) -> None:
        """Interrupt."""
        self._command("PauseWorkOrder")
        self.move(State.PAUSED)
        self.note(at, by, f"paused: {reason}")

    def resume(self, by: str, at: datetime) -> None:
        """Go on."""
        self._command("ResumeWorkOrder")
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
        self._command("CompleteWorkOrder")
        if self.state in NOT_STARTED:
            if not self._actuals():
                raise GateNotMet(work_order=self.name, gates="it has not been started")
            if outcome is not Outcome.NOT_DONE:
                raise GateNotMet(work_order=self.name, gates="it has not been started; it can only end as NOT_DONE")
        begin = start or self.actual_start_time
        self._not_future("finish_time", finish, at)
        if begin is None:
            raise FieldInvalid(field="start_time", rule="is required where no start was told")
        if begin > finish:
            raise FieldInvalid(field="start_time", rule="must not be after finish_time", value=begin)
        for name, hours in (("labor_hours", labor_hours), ("down_hours", down_hours)):
            if hours is not None and hours < 0:
                raise FieldInvalid(field=name, rule="must not be negative", value=hours)
        still_open = self.open_steps
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
        self._command("ReopenWorkOrder")
        self.move(State.IN_PROGRESS)
        self.note(at, by, f"reopened: {reason}")
        self.outcome, self.actual_finish_time = None, None
        message = events.WorkOrderStarted(reopened=True)
        if self.actual_start_time is not None:
            message.actual_start_time.FromDatetime(self.actual_start_time)
        return self.event(message)

    def close(self, by: str, at: datetime) -> events.WorkOrderClosed:
        """Freeze the cost."""
        self._command("CloseWorkOrder")
        self.move(State.CLOSED)
        self.note(at, by, "closed")
        return self.event(events.WorkOrderClosed(cost=money(self.cost, self.currency_code)))

    def cancel(self, by: str, at: datetime, reason: str) -> events.WorkOrderCancelled:
        """Give it up before it has begun (MNT-152)."""
        self._command("CancelWorkOrder")
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
        if actuals:
            raise ActualsExist(work_order=self.name, actuals=" and ".join(actuals))

    def _not_future(self, name: str, value: datetime, at: datetime) -> None:
        if value > at + FUTURE:
            raise TimeInFuture(field=name, value=value.isoformat(), limit=(at + FUTURE).isoformat())
