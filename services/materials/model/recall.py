"""Recall cases: what is called back, where it is, who got any of it (MAT-138)."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Index, Interval, Numeric, Text
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition
from services.chassis.resource import enum_text, instant
from services.materials.model.base import Resource, Table, listed

ZERO = Decimal(0)


class State(StrEnum):
    OPEN = "OPEN"
    TRACED = "TRACED"
    CONTAINED = "CONTAINED"
    NOTIFIED = "NOTIFIED"
    RECONCILED = "RECONCILED"
    CLOSED = "CLOSED"


class PartyNotNotified(FailedPrecondition):
    """A case is not reconciled while somebody who got any of it was not told (MAT-138)."""

    text = "{party} got {lot} by {document} and was not told."


class RecallCase(Resource, table=True):
    """A lot called back at a site, with all that was made of it."""

    __tablename__ = "recall_case"
    COLLECTION: ClassVar[str] = "recallCases"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(pairwise(State))
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"state", "lot"})
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"locate_duration"})  # the audit keeps no durations
    __table_args__ = (Index("ix_recall_case_site", "site", "name"), *listed("recall_case", "state", "lot"))

    lot: str = Field(sa_type=Text, sa_column_args=[ForeignKey("lot.name")])
    item: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    mock: bool = Field(default=False, nullable=False)
    hold_receipts: bool = Field(default=False, nullable=False)
    person: str = Field(sa_type=Text)
    state: State = Field(default=State.OPEN, sa_type=enum_text(State), nullable=False)
    complete: bool = Field(default=False, nullable=False)
    lot_count: int = Field(default=0, nullable=False)
    party_count: int = Field(default=0, nullable=False)
    gap_count: int = Field(default=0, nullable=False)
    hold: str = Field(default="", sa_type=Text, nullable=False)
    receipt_hold: str = Field(default="", sa_type=Text, nullable=False)
    locate_duration: timedelta | None = Field(default=None, sa_type=Interval)
    conclusion: str = Field(default="", sa_type=Text, nullable=False)


class RecallLot(Table, table=True):
    """A lot or serial that is called back; quantities in its item's base unit."""

    __tablename__ = "recall_lot"

    recall_case: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("recall_case.name")])
    lot: str = Field(sa_type=Text, primary_key=True)
    line: int
    certain: bool
    unit_code: str = Field(sa_type=Text)
    came: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    found: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    shipped: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    consumed: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    scrapped: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    returned: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    gap: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)


class RecallParty(Table, table=True):
    """Somebody who got any of it, by one document."""

    __tablename__ = "recall_party"

    recall_case: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("recall_case.name")])
    document: str = Field(sa_type=Text, primary_key=True)
    lot: str = Field(sa_type=Text, primary_key=True)
    serial: str = Field(sa_type=Text, primary_key=True)
    party: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    certain: bool
    notify_time: datetime | None = Field(default=None, sa_type=instant())
