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
        if statutory and self.catch_up is CatchUp.DROP:
            raise Statutory(policy=self.policy, what="catch-up DROP")
        return self

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
    meter: str | None = Field(default=None, sa_type=Text, sa_column_args=[ForeignKey("meter.name")], nullable=True)
    anchor_usage: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    anchor_date: date | None = None
    next_number: int = Field(default=1, nullable=False)
    next_usage: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    next_date: date | None = None
