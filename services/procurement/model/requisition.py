"""Requisitions: needs to buy, from people and from events, never two for one need (PRC-56 .. PRC-67)."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from plantops.procurement.v1 import events_pb2 as events
from sqlalchemy import ARRAY, CheckConstraint, Index, Numeric, Text, text
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition, PermissionDenied, SegregationOfDuties
from services.chassis.resource import enum_text
from services.chassis.wire import canonical, date_message, quantity
from services.procurement.model.base import Resource


class State(StrEnum):
    SUBMITTED = "SUBMITTED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class SourceKind(StrEnum):
    PERSON = "PERSON"
    SHORTAGE = "SHORTAGE"
    REPLENISHMENT = "REPLENISHMENT"


class NoSource(FailedPrecondition):
    """Nobody can supply it."""

    text = "{item} has no supplier that can supply {quantity} {unit_code}."


class AlreadyAllocated(FailedPrecondition):
    """Another order carries it already (PRC-62)."""

    text = "{requisition} is carried by {purchase_order} already."


class LimitExceeded(PermissionDenied):
    """The value is above what anybody here may approve."""

    text = "{amount} is above the ceiling of {ceiling}."


class Requisition(Resource, table=True):
    """A need to buy; the quantity in the item's base unit."""

    COLLECTION: ClassVar[str] = "requisitions"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (State.SUBMITTED, State.APPROVED),
            (State.SUBMITTED, State.REJECTED),
            (State.SUBMITTED, State.CANCELLED),
            (State.APPROVED, State.CLOSED),
            (State.APPROVED, State.CANCELLED),
            (State.CLOSED, State.APPROVED),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset(
        {"number", "item", "state", "source_kind", "source", "work_order", "supplier", "purchase_order", "requester"}
    )
    __table_args__ = (
        Index("ix_requisition_site", "site", "name"),
        Index("ix_requisition_state", "site", "state", "name"),
        Index("uq_requisition_number", "number", unique=True),
        Index("ix_requisition_work_order", "work_order"),
        Index(
            "uq_requisition_source",
            "source_kind",
            "source",
            unique=True,
            postgresql_where=text("source <> '' and state in ('SUBMITTED', 'APPROVED')"),
        ),
        CheckConstraint("quantity > 0", name="quantity"),
    )

    number: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    need_date: date | None = None
    delivery_location: str = Field(default="", sa_type=Text, nullable=False)
    reason: str = Field(default="", sa_type=Text, nullable=False)
    source_kind: SourceKind = Field(sa_type=enum_text(SourceKind))
    source: str = Field(default="", sa_type=Text, nullable=False)
    source_version: int = Field(default=0, nullable=False)
    work_order: str = Field(default="", sa_type=Text, nullable=False)
    demand: str = Field(default="", sa_type=Text, nullable=False)
    demand_version: int = Field(default=0, nullable=False)
    requester: str = Field(sa_type=Text)
    approver: str = Field(default="", sa_type=Text, nullable=False)
    supplier: str = Field(default="", sa_type=Text, nullable=False)
    supplier_item: str = Field(default="", sa_type=Text, nullable=False)
    estimate: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    estimate_currency_code: str = Field(default="", sa_type=Text, nullable=False)
    expected_date: date | None = None
    explanation: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    purchase_order: str = Field(default="", sa_type=Text, nullable=False)
    state: State = Field(default=State.SUBMITTED, sa_type=enum_text(State), nullable=False)

    @property
    def reservation(self) -> str:
        """The short reservation behind it."""
        return self.source if self.source_kind is SourceKind.SHORTAGE else ""

    @property
    def supply_request(self) -> str:
        """The supply request behind it."""
        return self.source if self.source_kind is SourceKind.REPLENISHMENT else ""

    def _origin(self) -> dict[str, Any]:
        return {
            "source_kind": self.source_kind.value,
            "work_order": self.work_order,
            "demand": self.demand,
            "demand_version": self.demand_version,
            "reservation": self.reservation,
            "supply_request": self.supply_request,
            "item": self.item,
        }

    def created(self) -> events.RequisitionCreated:
        """The need exists here."""
        message = events.RequisitionCreated(
            **self._origin(),
            site=f"sites/{self.site}",
            quantity=quantity(self.quantity, self.unit_code),
            supply_request_version=self.source_version if self.supply_request else 0,
        )
        if self.expected_date is not None:
            message.expected_date.CopyFrom(date_message(self.expected_date))
        return self.event(message)

    def approve(self, by: str, ceiling: Decimal | None) -> events.RequisitionApproved:
        """Say yes; a person never to an own requisition (PRC-72)."""
        if by == self.requester:
            raise SegregationOfDuties(duty="requesting and approving", earlier_act=self.requester)
        if ceiling is not None and (self.estimate or Decimal(0)) > ceiling:
            raise LimitExceeded(amount=canonical(self.estimate or Decimal(0)), ceiling=canonical(ceiling))
        self.move(State.APPROVED)
        self.approver = by
        message = events.RequisitionApproved(**self._origin(), quantity=quantity(self.quantity, self.unit_code))
        if self.expected_date is not None:
            message.expected_date.CopyFrom(date_message(self.expected_date))
        return self.event(message)

    def reject(self, reason: str) -> events.RequisitionRejected:
        """Say no."""
        self.move(State.REJECTED)
        self.reason = reason
        return self.event(events.RequisitionRejected(**self._origin(), reason=reason))

    def order(self, purchase_order: str) -> None:
        """An order carries it, once."""
        if self.purchase_order:
            raise AlreadyAllocated(requisition=self.name, purchase_order=self.purchase_order)
        self.move(State.CLOSED)
        self.purchase_order = purchase_order
