"""Purchase orders: states, immutable revisions bound by hash, and progress by events (PRC-120 .. PRC-131)."""

import hashlib
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from plantops.procurement.v1 import events_pb2 as events
from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, Relationship

from services.chassis.db import json_text
from services.chassis.faults import Aborted, FailedPrecondition, FieldInvalid, SegregationOfDuties
from services.chassis.resource import enum_text, instant
from services.chassis.wire import canonical, date_message, fill, money, quantity
from services.procurement.model.base import Resource, Table
from services.procurement.rules import price as rule

ZERO = Decimal(0)
M = TypeVar("M", events.PurchaseOrderIssued, events.PurchaseOrderChanged)


class State(StrEnum):
    DRAFT = "DRAFT"
    PENDING_APPROVAL = "PENDING_APPROVAL"
    APPROVED = "APPROVED"
    ISSUED = "ISSUED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class ContentChanged(Aborted):
    """What was read or approved is not what stands there now (PRC-122)."""

    text = "{purchase_order} has the content {content_hash}, not the one that was read."


class AlreadyDelivered(FailedPrecondition):
    """Something has come; the rest is short-closed instead (PRC-125)."""

    text = "{received} of line {line} of {purchase_order} have come; short-close the rest instead."


class BelowDelivered(FailedPrecondition):
    """Less than what has come cannot be ordered (PRC-124)."""

    text = "Line {line} of {purchase_order} has {received} received; {asked} is below that."


class StillOpen(FailedPrecondition):
    """Lines are neither delivered nor short-closed (PRC-126)."""

    text = "{purchase_order} has open lines: {lines}."


PAIRS = frozenset(
    {
        (State.DRAFT, State.PENDING_APPROVAL),
        (State.DRAFT, State.APPROVED),
        (State.PENDING_APPROVAL, State.APPROVED),
        (State.PENDING_APPROVAL, State.DRAFT),
        (State.APPROVED, State.DRAFT),
        (State.APPROVED, State.ISSUED),
        (State.ISSUED, State.CLOSED),
        (State.CLOSED, State.ISSUED),
        *((state, State.CANCELLED) for state in (State.DRAFT, State.PENDING_APPROVAL, State.APPROVED, State.ISSUED)),
    }
)


class Line(Table, table=True):
    """One line, in the order unit; `refs` are the needs that it covers."""

    __tablename__ = "purchase_order_line"
    __table_args__ = (
        CheckConstraint("quantity > 0 and received >= 0 and accepted >= 0 and short_closed >= 0", name="quantities"),
    )

    purchase_order: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("purchase_order.name")])
    line: int = Field(primary_key=True)
    item: str = Field(sa_type=Text)
    supplier_item: str = Field(sa_type=Text)
    part_number: str = Field(default="", sa_type=Text, nullable=False)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    received: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    accepted: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    short_closed: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    base_numerator: int
    base_denominator: int
    unit_price: Decimal = Field(sa_type=Numeric(24, 9))
    currency_code: str = Field(sa_type=Text)
    price_base_quantity: Decimal = Field(sa_type=Numeric(20, 6))
    net: Decimal = Field(sa_type=Numeric(24, 9))
    delivery_location: str = Field(default="", sa_type=Text, nullable=False)
    requested_date: date | None = None
    expected_date: date | None = None
    accept_limit: Decimal = Field(sa_type=Numeric(20, 6))
    references: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"name": "references_"}
    )

    @property
    def open_quantity(self) -> Decimal:
        """max(0, ordered - received - short-closed) (PRC-152)."""
        return max(ZERO, self.quantity - self.received - self.short_closed)

    def content(self) -> dict[str, Any]:
        """The commercial content of the line."""
        names = (
            "line", "item", "supplier_item", "quantity", "unit_code", "base_numerator", "base_denominator",
            "unit_price", "price_base_quantity", "net", "delivery_location", "requested_date", "expected_date",
            "accept_limit", "short_closed",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


class OrderRevision(Resource, table=True):
    """The content as it was approved; never changed."""

    __tablename__ = "purchase_order_revision"
    COLLECTION: ClassVar[str] = "revisions"

    purchase_order: str = Field(sa_type=Text, sa_column_args=[ForeignKey("purchase_order.name")], index=True)
    revision: int
    content: dict[str, Any] = Field(sa_type=JSONB)
    content_hash: str = Field(sa_type=Text)
    approver: str = Field(sa_type=Text)
    approve_time: datetime = Field(sa_type=instant())


class PurchaseOrder(Resource, table=True):
    """An order to a supplier."""

    __tablename__ = "purchase_order"
    COLLECTION: ClassVar[str] = "purchaseOrders"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = PAIRS
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"number", "supplier", "state", "author", "issue_time"})
    __table_args__ = (
        Index("ix_purchase_order_site", "site", "name"),
        Index("ix_purchase_order_state", "site", "state", "name"),
        Index("uq_purchase_order_number", "number", unique=True),
        Index("ix_purchase_order_supplier", "supplier", "approve_time"),
    )

    number: str = Field(sa_type=Text)
    supplier: str = Field(sa_type=Text, sa_column_args=[ForeignKey("supplier.name")])
    currency_code: str = Field(sa_type=Text)
    state: State = Field(default=State.DRAFT, sa_type=enum_text(State), nullable=False)
    revision: int = Field(default=1, nullable=False)
    content_hash: str = Field(default="", sa_type=Text, nullable=False)
    author: str = Field(sa_type=Text)
    approver: str = Field(default="", sa_type=Text, nullable=False)
    approve_time: datetime | None = Field(default=None, sa_type=instant())
    issue_time: datetime | None = Field(default=None, sa_type=instant())
    channel: str = Field(default="", sa_type=Text, nullable=False)
    net: Decimal = Field(default=ZERO, sa_type=Numeric(24, 9), nullable=False)
    explanation: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    chains: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    lines: list[Line] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "Line.line", "cascade": "all"}
    )

    def digest(self) -> str:
        """SHA-256 of the canonical content (PRC-122)."""
        return hashlib.sha256(json_text(self.content()).encode()).hexdigest()

    def content(self) -> dict[str, Any]:
        """Whole commercial content with sorted keys."""
        return {
            "currency_code": self.currency_code,
            "lines": [dict(sorted(line.content().items())) for line in self.lines],
            "net": self.net,
            "number": self.number,
            "revision": self.revision,
            "supplier": self.supplier,
        }

    def add_up(self) -> None:
        """Header net = sum of the rounded lines (PRC-3)."""
        self.net = sum((line.net for line in self.lines), ZERO)
        self.touch()

    def find_line(self, number: int) -> Line:
        """The line of a number."""
        for line in self.lines:
            if line.line == number:
                return line
        raise FieldInvalid(field="line", rule="must be a line of the order", value=number)

    def submit(self) -> None:
        """Fix the content for approval."""
        if self.state is not State.DRAFT:
            self.move(State.PENDING_APPROVAL)
        self.content_hash = self.digest()

    def approve(self, by: str, content_hash: str, at: datetime) -> OrderRevision:
        """Approve the content, as another person than its author; the revision is kept (PRC-72, PRC-122)."""
        if content_hash != self.content_hash or self.digest() != self.content_hash:
            raise ContentChanged(purchase_order=self.name, content_hash=self.content_hash)
        self._not_author(by)
        self.move(State.APPROVED)
        self.approver, self.approve_time = by, at
        return self.kept(at)

    def kept(self, at: datetime) -> OrderRevision:
        """The approved content as a row of its own."""
        return OrderRevision(
            name=f"{self.name}/{OrderRevision.COLLECTION}/r{self.revision}",
            purchase_order=self.name,
            revision=self.revision,
            content=self.content(),
            content_hash=self.content_hash,
            approver=self.approver,
            approve_time=at,
        )

    def _not_author(self, by: str) -> None:
        if by == self.author:
            raise SegregationOfDuties(duty="writing and approving an order", earlier_act=self.author)

    def issue(self, channel: str, at: datetime) -> events.PurchaseOrderIssued:
        """Hand it over; duties and content are checked again (PRC-73)."""
        if self.state is State.APPROVED and (self.digest() != self.content_hash or not self.approver):
            raise ContentChanged(purchase_order=self.name, content_hash=self.content_hash)
        if self.state is State.APPROVED:
            self._not_author(self.approver)
        self.move(State.ISSUED)
        self.issue_time, self.channel = at, channel
        return self.event(self._told(events.PurchaseOrderIssued()))

    def changed(self) -> events.PurchaseOrderChanged:
        """Another content is in force."""
        return self.event(self._told(events.PurchaseOrderChanged()))

    def _told(self, message: M) -> M:
        told: Any = message
        fill(told, {"number": self.number, "supplier": self.supplier, "revision": self.revision})
        told.content_hash, told.currency_code = self.content_hash, self.currency_code
        for line in self.lines:
            row = told.lines.add(line=line.line, kind="STOCK", item=line.item)
            schedule = row.schedules.add(
                schedule=1,
                quantity=quantity(line.quantity, line.unit_code),
                open_quantity=quantity(line.open_quantity, line.unit_code),
                base_numerator=line.base_numerator,
                base_denominator=line.base_denominator,
                delivery_location=line.delivery_location,
                accept_limit=quantity(line.accept_limit, line.unit_code),
            )
            for name in ("requested_date", "expected_date"):
                day = getattr(line, name)
                if day is not None:
                    getattr(schedule, name).CopyFrom(date_message(day))
            row.unit_price.CopyFrom(money(line.unit_price, self.currency_code))
            row.price_base_quantity.value = canonical(line.price_base_quantity)
            for reference in line.references:
                fill(row.references.add(), reference)
        return message

    def revise(self, number: int, wanted: Decimal | None, day: date | None, by: str) -> None:
        """Change a line; a new revision that has to be approved unless it only gets less or later (PRC-127)."""
        line = self.find_line(number)
        if wanted is not None:
            if wanted < line.received or wanted <= 0:
                raise BelowDelivered(
                    line=number, purchase_order=self.name, received=canonical(line.received), asked=canonical(wanted)
                )
            share = line.accept_limit / line.quantity
            line.accept_limit = wanted * share
            line.quantity = wanted
            line.net = rule.net(wanted, line.unit_price, line.price_base_quantity)
        if day is not None:
            line.expected_date = day
        self.author = by
        self.revision += 1
        self.add_up()

    def short_close(self, number: int) -> None:
        """No more is expected on a line (PRC-125)."""
        line = self.find_line(number)
        if line.open_quantity <= 0:
            raise FieldInvalid(field="line", rule="has nothing open", value=number)
        line.short_closed += line.open_quantity
        self.touch()

    def close(self, reason: str) -> events.PurchaseOrderClosed:
        """All is delivered or short-closed."""
        still_open = [str(line.line) for line in self.lines if line.open_quantity > 0]
        if self.state is State.ISSUED and still_open:
            raise StillOpen(purchase_order=self.name, lines=", ".join(still_open))
        self.move(State.CLOSED)
        return self.event(events.PurchaseOrderClosed(reason=reason))

    def cancel(self, reason: str) -> events.PurchaseOrderCancelled:
        """Give it up before anything has come."""
        for line in self.lines:
            if line.received > 0:
                raise AlreadyDelivered(received=canonical(line.received), line=line.line, purchase_order=self.name)
        self.move(State.CANCELLED)
        message = events.PurchaseOrderCancelled(reason=reason)
        for line in self.lines:
            for reference in line.references:
                fill(message.references.add(), reference)
        return self.event(message)


class ReceiptSeen(Table, table=True):
    """What a receipt counted on a line, so that a reversal unwinds exactly that (PRC-161)."""

    __tablename__ = "receipt_seen"

    receipt: str = Field(sa_type=Text, primary_key=True)
    receipt_line: int = Field(primary_key=True)
    purchase_order: str = Field(sa_type=Text)
    line: int
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    accepted: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    base_quantity: Decimal = Field(sa_type=Numeric(20, 6))
