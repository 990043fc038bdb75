"""Parts that a work order needs, what they cost, and what happened: the rows under a work order."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text
from sqlmodel import Field

from services.chassis.resource import enum_text, instant
from services.maintenance.model.base import Table


class DemandState(StrEnum):
    OPEN = "OPEN"
    ALLOCATED = "ALLOCATED"
    SHORT = "SHORT"
    ISSUED = "ISSUED"
    RELEASED = "RELEASED"


class PartDemand(Table, table=True):
    """A part that an order needs, and how far it is (MNT-181)."""

    __tablename__ = "part_demand"
    __table_args__ = (
        CheckConstraint("quantity > 0 and allocated >= 0 and issued >= 0", name="quantities"),
        Index("ix_part_demand_reservation", "reservation"),
    )

    work_order: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("work_order.name")])
    demand: str = Field(sa_type=Text, primary_key=True)
    position: int
    item: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    mandatory: bool
    need_time: datetime | None = Field(default=None, sa_type=instant())
    delivery_location: str = Field(default="", sa_type=Text, nullable=False)
    state: DemandState = Field(default=DemandState.OPEN, sa_type=enum_text(DemandState), nullable=False)
    allocated: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 6), nullable=False)
    issued: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 6), nullable=False)
    reservation: str = Field(default="", sa_type=Text, nullable=False)
    expected_date: date | None = None

    @property
    def covered(self) -> bool:
        """Whether nothing of it is missing."""
        return self.allocated + self.issued >= self.quantity

    def become(self, other: "PartDemand") -> "PartDemand":
        """Take what another plan for the same demand says; another item has no reservation yet."""
        if other.item != self.item:
            self.allocated, self.reservation, self.expected_date = Decimal(0), "", None
            self.state = DemandState.OPEN
        for name in ("position", "item", "quantity", "unit_code", "mandatory", "need_time", "delivery_location"):
            setattr(self, name, getattr(other, name))
        return self

    def reserved(self, quantity: Decimal, reservation: str, *, expected: date | None = None) -> None:
        """Materials has this much for it in stock; ALLOCATED when nothing is missing, else SHORT (MNT-181)."""
        self.allocated, self.reservation = quantity, reservation
        self.state = DemandState.ALLOCATED if self.covered else DemandState.SHORT
        self.expected_date = expected or self.expected_date

    def handed_out(self, quantity: Decimal) -> None:
        """Parts were handed out, or came back where the quantity is negative (MNT-184)."""
        self.issued = max(self.issued + quantity, Decimal(0))
        if quantity > 0:
            self.allocated = max(self.allocated - quantity, Decimal(0))
        if self.issued >= self.quantity:
            self.state = DemandState.ISSUED
        elif self.state is DemandState.ISSUED:
            self.state = DemandState.ALLOCATED if self.covered else DemandState.SHORT

    def released(self) -> None:
        """What was reserved and not handed out was given back."""
        self.allocated = Decimal(0)
        if self.state is not DemandState.ISSUED:
            self.state = DemandState.RELEASED


class CostKind(StrEnum):
    LABOR = "LABOR"
    PART = "PART"
    SERVICE = "SERVICE"
    OTHER = "OTHER"
    IMPORTED = "IMPORTED"


class CostLine(Table, table=True):
    """What an order cost; one line for each fact, never changed (MNT-260)."""

    __tablename__ = "cost_line"

    work_order: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("work_order.name")])
    source: str = Field(sa_type=Text, primary_key=True)
    kind: CostKind = Field(sa_type=enum_text(CostKind))
    amount: Decimal = Field(sa_type=Numeric(24, 9))
    currency_code: str = Field(sa_type=Text)
    cost_date: date


class JournalEntry(Table, table=True):
    """What happened to an order."""

    __tablename__ = "work_order_journal"

    work_order: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("work_order.name")])
    number: int = Field(primary_key=True)
    time: datetime = Field(sa_type=instant())
    actor: str = Field(sa_type=Text)
    text: str = Field(sa_type=Text)


class Step(Table, table=True):
    """A step of the job, copied from the plan by value (MNT-129)."""

    __tablename__ = "work_order_step"

    work_order: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("work_order.name")])
    number: int = Field(primary_key=True)
    text: str = Field(sa_type=Text)
    mandatory: bool
    result: str = Field(default="", sa_type=Text, nullable=False)
    person: str = Field(default="", sa_type=Text, nullable=False)
