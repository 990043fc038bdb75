"""Maintenance policies, their revisions and what they are assigned to (MNT-1 .. MNT-12, MNT-90)."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from plantops.maintenance.v1.events_pb2 import PolicyActivated
from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.resource import enum_text
from services.chassis.revisions import RevisionColumns
from services.maintenance.model.base import Resource, Table
from services.maintenance.rules import due as kernel
from services.maintenance.rules.due import Due


class Kind(StrEnum):
    FIXED = "FIXED"
    METER_FIXED = "METER_FIXED"
    METER_FLOATING = "METER_FLOATING"


class MonthRule(StrEnum):
    MONTH_RULE_UNSPECIFIED = "MONTH_RULE_UNSPECIFIED"
    CLAMP = "CLAMP"
    SKIP = "SKIP"
    LAST_DAY = "LAST_DAY"


class CatchUp(StrEnum):
    CATCH_UP_UNSPECIFIED = "CATCH_UP_UNSPECIFIED"
    ONE = "ONE"
    ALL = "ALL"
    DROP = "DROP"


class Statutory(FailedPrecondition):
    """Work that the law demands is not left out (MNT-11)."""

    text = "{policy} is statutory; {what} is refused."


class AssignmentUnfit(FailedPrecondition):
    """A revision that counts something else cannot take over what is assigned."""

    text = "{revision} cannot be put in force: {assignment} has no {lacks}; make another policy for it."


class Policy(Resource, table=True):
    """A rule set that decides when work falls due."""

    __tablename__ = "maintenance_policy"
    COLLECTION: ClassVar[str] = "maintenancePolicies"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"title", "statutory"})

    title: str = Field(sa_type=Text)
    statutory: bool = Field(default=False, nullable=False)
    active_revision: str = Field(default="", sa_type=Text, nullable=False)


class Revision(RevisionColumns, Table, table=True):
    """One version of a policy."""

    __tablename__ = "maintenance_revision"
    COLLECTION: ClassVar[str] = "revisions"
    CONTENT: ClassVar[tuple[str, ...]] = (
        "kind", "usage_interval", "usage_lead", "interval_months", "interval_days", "month_rule", "lead_days",
        "grace_days", "catch_up", "order_title", "order_priority", "estimated_hours", "steps", "part_demands",
    )  # fmt: skip
    __table_args__ = (
        Index("uq_maintenance_revision_active", "policy", unique=True, postgresql_where=text("state = 'ACTIVE'")),
    )

    kind: Kind = Field(sa_type=enum_text(Kind))
    usage_interval: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    usage_lead: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    interval_months: int = Field(default=0, nullable=False)
    interval_days: int = Field(default=0, nullable=False)
    month_rule: MonthRule = Field(default=MonthRule.CLAMP, sa_type=enum_text(MonthRule), nullable=False)
    lead_days: int = Field(default=0, nullable=False)
    grace_days: int = Field(default=0, nullable=False)
    catch_up: CatchUp = Field(default=CatchUp.ONE, sa_type=enum_text(CatchUp), nullable=False)
    order_title: str = Field(sa_type=Text)
    order_priority: int = Field(default=3, nullable=False)
    estimated_hours: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    steps: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    part_demands: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)

    @property
    def interval(self) -> Decimal:
        """Interval in use of a meter policy; 0 for others."""
        return self.usage_interval or Decimal(0)

    @property
    def by_meter(self) -> bool:
        """Whether usage decides."""
        return self.kind is not Kind.FIXED

    def checked(self, statutory: bool) -> "Revision":
        """FieldInvalid where the parameters of the kind are missing; defaults filled in."""
        where = "maintenance_revision."
        if self.month_rule is MonthRule.MONTH_RULE_UNSPECIFIED:
            self.month_rule = MonthRule.CLAMP
        if self.catch_up is CatchUp.CATCH_UP_UNSPECIFIED:
            self.catch_up = CatchUp.ONE
        if self.order_priority == 0:
            self.order_priority = 3
        if self.by_meter and (self.usage_interval is None or self.usage_interval <= 0):
            raise FieldInvalid(field=where + "usage_interval", rule=f"must be more than 0 for {self.kind}")
        if not self.by_meter and (self.interval_months > 0) == (self.interval_days > 0):
            raise FieldInvalid(field=where + "interval_months", rule="either months or days must be more than 0")
        for name in ("usage_lead", "estimated_hours"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise FieldInvalid(field=where + name, rule="must not be negative", value=value)
        for index, part in enumerate(self.part_demands):
            if Decimal(part["quantity"]["value"]) <= 0:
                field = f"{where}part_demands[{index}].quantity.value"
                raise FieldInvalid(field=field, rule="must be more than 0", value=part["quantity"]["value"])
        if statutory and self.catch_up is CatchUp.DROP:
            raise Statutory(policy=self.policy, what="catch-up DROP")
        return self

    @property
    def clock(self) -> tuple[Any, ...]:
        """What makes the grid; another clock starts a new series."""
        if self.by_meter:
            return self.kind, self.usage_interval
        return self.kind, self.interval_months, self.interval_days, self.interval_months and self.month_rule

    @property
    def grid(self) -> dict[str, Any]:
        """The calendar grid, for the rules."""
        return {"months": self.interval_months, "days": self.interval_days, "rule": self.month_rule.value}

    def told(self, replaced: str) -> PolicyActivated:
        """The revision is in force."""
        return PolicyActivated(
            policy=self.policy,
            kind=self.kind.value,
            revision=self.name,
            replaced_revision=replaced,
            selector="asset",
        )


class Assignment(Resource, table=True):
    """A policy bound to one asset; holds where the series stands."""

    __tablename__ = "policy_assignment"
    COLLECTION: ClassVar[str] = "policyAssignments"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"policy", "meter", "next_date"})
    __table_args__ = (
        Index("uq_policy_assignment", "asset", "policy", unique=True),
        Index("ix_policy_assignment_meter", "meter"),
        Index("ix_policy_assignment_next", "next_date"),
        CheckConstraint("(meter is not null) = (next_usage is not null)", name="clock"),
    )

    asset: str = Field(sa_type=Text, sa_column_args=[ForeignKey("asset.name")])
    policy: str = Field(sa_type=Text, sa_column_args=[ForeignKey("maintenance_policy.name")])
    revision: str = Field(sa_type=Text)
    meter: str | None = Field(default=None, sa_type=Text, sa_column_args=[ForeignKey("meter.name")], nullable=True)
    anchor_usage: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    anchor_date: date | None = None
    series: int = Field(default=1, nullable=False)
    next_number: int = Field(default=1, nullable=False)
    next_usage: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    next_date: date | None = None

    def begin_usage(self, revision: Revision, meter: str, anchor: Decimal) -> None:
        """Start a usage clock at an anchor (MNT-90)."""
        self.meter, self.anchor_usage, self.next_number = meter, anchor, 1
        self.next_usage = kernel.threshold(anchor, revision.interval, 1)

    def begin_calendar(self, revision: Revision, anchor: date) -> None:
        """Start a calendar clock at an anchor (MNT-90)."""
        self.anchor_date = anchor
        self.next_number, self.next_date = kernel.calendar_next(anchor, 1, **revision.grid)

    def usage_due(self, revision: Revision, usage: Decimal) -> bool:
        """Whether usage has reached the next threshold less lead (MNT-121)."""
        return self.next_usage is not None and self.next_usage - (revision.usage_lead or Decimal(0)) <= usage

    def advance(self, revision: Revision, usage: Decimal | None, today: date, *, floating: bool = True) -> list[Due]:
        """What has fallen due, with the series moved on behind it (MNT-52, 53, 80, 121).

        `floating` = false where the work that fell due last has not been done: its clock has not started again.
        """
        if revision.kind is Kind.FIXED:
            return self._advance_calendar(revision, today)
        if usage is None or self.next_usage is None or not self.usage_due(revision, usage):
            return []
        number = self.next_number
        if revision.kind is Kind.METER_FLOATING:
            if not floating:
                return []
            self.next_number = number + 1
            return [Due(number, usage=self.next_usage)]
        anchor = self.anchor_usage or Decimal(0)
        lead = revision.usage_lead or Decimal(0)
        found, self.next_number = kernel.meter_crossed(anchor, revision.interval, number, usage, lead)
        self.next_usage = kernel.threshold(anchor, revision.interval, self.next_number)
        return found

    def _advance_calendar(self, revision: Revision, today: date) -> list[Due]:
        if self.anchor_date is None:
            return []
        found, following = kernel.calendar_crossed(
            self.anchor_date, self.next_number, today, lead_days=revision.lead_days, **revision.grid
        )
        self.next_number, self.next_date = kernel.calendar_next(self.anchor_date, following, **revision.grid)
        return found

    def go_on(self, before: Revision, after: Revision) -> None:
        """Follow another revision; another clock starts a new series behind what fell due last (MNT-120)."""
        if (after.by_meter and self.meter is None) or (not after.by_meter and self.anchor_date is None):
            raise AssignmentUnfit(
                revision=after.name, assignment=self.name, lacks="meter" if after.by_meter else "anchor date"
            )
        self.revision = after.name
        if before.clock == after.clock:
            return
        self.series += 1
        if self.anchor_date is not None:
            last = self.anchor_date
            for number in range(self.next_number - 1, 0, -1):
                day = kernel.calendar_due(self.anchor_date, number, **before.grid)
                if day is not None:
                    last = day
                    break
            self.next_number, self.next_date = kernel.calendar_after(self.anchor_date, last, **after.grid)
        else:
            anchor = self.anchor_usage or Decimal(0)
            done = (self.next_usage or anchor) - before.interval
            if after.kind is Kind.METER_FLOATING:
                self.next_number, self.next_usage = 1, kernel.meter_floating_next(done, after.interval)
            else:
                self.next_number = kernel.meter_after(anchor, after.interval, done)
                self.next_usage = kernel.threshold(anchor, after.interval, self.next_number)
