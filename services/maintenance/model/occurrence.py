"""The ledger of what fell due, and the decisions behind it (MNT-5, MNT-120 .. MNT-127)."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ARRAY, ForeignKey, Index, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.resource import enum_text, instant
from services.maintenance.model.base import Resource


class State(StrEnum):
    DUE = "DUE"
    GENERATED = "GENERATED"
    MERGED = "MERGED"
    SUPPRESSED = "SUPPRESSED"
    SKIPPED = "SKIPPED"
    SUPERSEDED = "SUPERSEDED"
    SATISFIED = "SATISFIED"
    CANCELLED = "CANCELLED"


_WITH_ORDER = (State.GENERATED, State.MERGED, State.SUPPRESSED)

PAIRS = frozenset(
    {
        *((State.DUE, state) for state in (*_WITH_ORDER, State.SKIPPED, State.SUPERSEDED, State.SATISFIED)),
        *((state, to) for state in _WITH_ORDER for to in (State.SATISFIED, State.DUE, State.CANCELLED)),
        (State.SATISFIED, State.GENERATED),
    }
)


class Decision(Resource, table=True):
    """One recorded evaluation."""

    __tablename__ = "maintenance_decision"
    COLLECTION: ClassVar[str] = "maintenanceDecisions"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"revision", "assignment", "asset", "outcome"})
    __table_args__ = (
        Index("ix_maintenance_decision_site", "site", "name"),
        Index("ix_maintenance_decision_asset", "asset", "name"),
    )

    revision: str = Field(sa_type=Text)
    assignment: str = Field(sa_type=Text)
    asset: str = Field(sa_type=Text)
    inputs: dict[str, Any] = Field(sa_type=JSONB)
    outcome: str = Field(sa_type=Text)
    explanation: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]


class Occurrence(Resource, table=True):
    """One falling due; the key (assignment, series, number) is unique (MNT-120)."""

    COLLECTION: ClassVar[str] = "occurrences"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = PAIRS
    FILTERABLE: ClassVar[frozenset[str]] = frozenset(
        {"state", "asset", "policy", "assignment", "work_order", "required_date"}
    )
    __table_args__ = (
        Index("uq_occurrence_key", "assignment", "series", "number", unique=True),
        Index("ix_occurrence_site", "site", "name"),
        Index("ix_occurrence_work_order", "work_order"),
        Index("ix_occurrence_required", "site", "required_date"),
    )

    assignment: str = Field(sa_type=Text, sa_column_args=[ForeignKey("policy_assignment.name")])
    asset: str = Field(sa_type=Text)
    policy: str = Field(sa_type=Text)
    revision: str = Field(sa_type=Text)
    series: int
    number: int
    due_usage: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    due_date: date | None = None
    required_date: date | None = None
    state: State = Field(default=State.DUE, sa_type=enum_text(State), nullable=False)
    reason: str = Field(default="", sa_type=Text, nullable=False)
    work_order: str = Field(default="", sa_type=Text, nullable=False)
    decision: str = Field(default="", sa_type=Text, nullable=False)
    satisfy_time: datetime | None = Field(default=None, sa_type=instant())

    def join(self, work_order: str) -> None:
        """Be done by an order that is open already (MNT-123)."""
        self.move(State.MERGED)
        self.work_order = work_order
        self.reason = f"{work_order} is open for the same policy"
