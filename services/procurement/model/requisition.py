"""Requisitions: needs to buy, from people and from events, never two for one need (PRC-56 .. PRC-67)."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from plantops.procurement.v1 import events_pb2 as events
from sqlalchemy import ARRAY, CheckConstraint, Index, Numeric, Text, text
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition, TransitionNotAllowed
from services.chassis.resource import enum_text, instant
from services.chassis.wire import date_message, quantity
from services.procurement.model import duties
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
            (State.APPROVED, State.SUBMITTED),
            (State.CLOSED, State.APPROVED),
            (State.CLOSED, State.CANCELLED),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset(
        {"number", "item", "state", "source_kind", "source", "work_order", "supplier", "purchase_order", "requester"}
    )
    __table_args__ = (
        Index("ix_requisition_site", "site", "name"),
        Index("ix_requisition_state", "site", "state", "name"),
        Index("uq_requisition_number", "site", "number", unique=True),
        Index("ix_requisition_work_order", "work_order"),
        Index("ix_requisition_source", "source_kind", "source", postgresql_where=text("source <> ''")),
        Index("ix_requisition_supplier", "supplier", "approve_time"),
        Index(
            "uq_requisition_source",
            "source_kind",
            "source",
            unique=True,
            postgresql_where=text("source <> '' and state in ('SUBMITTED', 'APPROVED')"),
        ),
        CheckConstraint("quantity > 0 and needed >= 0 and needed <= quantity", name="quantity"),
        CheckConstraint("approver = '' or (approver <> requester and approver_for <> requester)", name="duties"),
    )

    number: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    needed: Decimal = Field(sa_type=Numeric(20, 6))
    """How much of the quantity its source still asks of this requisition; an ordered one keeps its quantity."""
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
    approver_for: str = Field(default="", sa_type=Text, nullable=False)
    approve_time: datetime | None = Field(default=None, sa_type=instant())
    level: int = Field(default=0, nullable=False)
    automatic: bool = Field(default=False, nullable=False)
    decision_reason: str = Field(default="", sa_type=Text, nullable=False)
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

    def may_approve(self, by: Sequence[str]) -> None:
        """Refused for another state than SUBMITTED, and for who asked (PRC-72)."""
        if self.state is not State.SUBMITTED:
            raise TransitionNotAllowed(
                resource=self.name, state=str(self.state), allowed=self.following, wanted=str(State.APPROVED)
            )
        duties.keep_apart("requesting and approving", [self.requester], by)

    def approve(
        self, by: Sequence[str], at: datetime, *, level: int, automatic: bool, reason: str
    ) -> events.RequisitionApproved:
        """Say yes; a person never to an own requisition (PRC-72)."""
        self.may_approve(by)
        self.move(State.APPROVED)
        self.approver, self.approver_for = by[0], by[1] if len(by) > 1 else ""
        self.approve_time, self.level, self.automatic = at, level, automatic
        self.explanation = [*self.explanation, reason]
        message = events.RequisitionApproved(**self._origin(), quantity=quantity(self.quantity, self.unit_code))
        if self.expected_date is not None:
            message.expected_date.CopyFrom(date_message(self.expected_date))
        return self.event(message)

    def reject(self, reason: str) -> events.RequisitionRejected:
        """Say no; the answer goes to its source."""
        self.move(State.REJECTED)
        self.decision_reason = reason
        return self.event(events.RequisitionRejected(**self._origin(), reason=reason))

    def withdraw(self, reason: str) -> None:
        """The approval does not hold for what is asked now (PRC-75)."""
        self.move(State.SUBMITTED)
        self.approver = self.approver_for = ""
        self.approve_time, self.level, self.automatic = None, 0, False
        self.explanation = [*self.explanation, reason]

    def order(self, purchase_order: str) -> None:
        """An order carries it, once (PRC-62)."""
        if self.purchase_order:
            raise AlreadyAllocated(requisition=self.name, purchase_order=self.purchase_order)
        self.move(State.CLOSED)
        self.purchase_order = purchase_order

    def give_back(self) -> None:
        """Its order was cancelled: it can be ordered again, or ends when its source asks for nothing more."""
        self.purchase_order = ""
        if self.needed > 0:
            self.quantity = self.needed
            self.move(State.APPROVED)
        else:
            self.move(State.CANCELLED)
