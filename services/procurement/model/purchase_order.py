"""Purchase orders: states, immutable revisions bound by hash, issue and end (PRC-120 .. PRC-131)."""

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from plantops.procurement.v1 import events_pb2 as events
from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, Relationship

from services.chassis.access import Caller
from services.chassis.faults import Aborted, FailedPrecondition, FieldInvalid, TransitionNotAllowed
from services.chassis.resource import enum_text, instant
from services.chassis.wire import canonical, fill
from services.procurement.model import duties
from services.procurement.model.base import Resource
from services.procurement.model.order_line import ZERO, Line

M = TypeVar("M", events.PurchaseOrderIssued, events.PurchaseOrderChanged)

NO_APPROVAL = "services/procurement"
"""Approver of a revision that needs no approval: the rule of PRC-127 itself."""


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


class NothingOpen(FailedPrecondition):
    """Only what is still expected can be short-closed (PRC-125)."""

    text = "Line {line} of {purchase_order} has nothing open."


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
        Index("uq_purchase_order_number", "site", "number", unique=True),
        Index("ix_purchase_order_supplier", "supplier", "decide_time"),
        CheckConstraint("approver = '' or not (approver = any(authors) or approver_for = any(authors))", name="duties"),
    )

    number: str = Field(sa_type=Text)
    supplier: str = Field(sa_type=Text, sa_column_args=[ForeignKey("supplier.name")])
    currency_code: str = Field(sa_type=Text)
    state: State = Field(default=State.DRAFT, sa_type=enum_text(State), nullable=False)
    revision: int = Field(default=1, nullable=False)
    content_hash: str = Field(default="", sa_type=Text, nullable=False)
    requester: str = Field(sa_type=Text)
    """Who made it; rolling totals are counted by supplier and requester (PRC-70)."""
    author: str = Field(sa_type=Text)
    authors: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    """All who asked for, made or edited what stands in it: none of them approves it (PRC-72)."""
    approver: str = Field(default="", sa_type=Text, nullable=False)
    approver_for: str = Field(default="", sa_type=Text, nullable=False)
    approve_time: datetime | None = Field(default=None, sa_type=instant())
    level: int = Field(default=0, nullable=False)
    automatic: bool = Field(default=False, nullable=False)
    decide_time: datetime | None = Field(default=None, sa_type=instant())
    """When a person or a rule approved it, at which level: what rolling totals count."""
    issue_time: datetime | None = Field(default=None, sa_type=instant())
    channel: str = Field(default="", sa_type=Text, nullable=False)
    net: Decimal = Field(default=ZERO, sa_type=Numeric(24, 9), nullable=False)
    explanation: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    chains: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    lines: list[Line] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "Line.line", "cascade": "all"}
    )

    # --- content --------------------------------------------------------------------------------------------

    def content(self) -> dict[str, Any]:
        """Whole commercial content as text."""
        return {
            "currency_code": self.currency_code,
            "lines": [line.content() for line in self.lines],
            "net": canonical(self.net),
            "number": self.number,
            "revision": str(self.revision),
            "supplier": self.supplier,
        }

    def digest(self) -> str:
        """SHA-256 of the canonical content (PRC-122)."""
        return digest_of(self.content())

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

    def require(self, state: State, *, to: str) -> None:
        """TransitionNotAllowed unless the order is in a state; `to` says what was wanted."""
        if self.state is not state:
            raise TransitionNotAllowed(resource=self.name, state=str(self.state), allowed=self.following, wanted=to)

    def _edited(self, by: Caller) -> None:
        self.author = by.name
        self.authors = duties.joined(self.authors, duties.persons(by))
        self.add_up()

    # --- approval -------------------------------------------------------------------------------------------

    def submit(self) -> None:
        """Fix the content for approval."""
        self.require(State.DRAFT, to=State.PENDING_APPROVAL)
        self.content_hash = self.digest()

    def wait(self, reason: str) -> None:
        """A person has to decide."""
        self.move(State.PENDING_APPROVAL)
        self.explanation = [*self.explanation, reason]

    def may_approve(self, by: Sequence[str], content_hash: str) -> None:
        """Refused for another state, a person who wrote it, and another content than the one that was read."""
        self.require(State.PENDING_APPROVAL, to=State.APPROVED)
        self._not_author(by)
        if content_hash != self.content_hash or self.digest() != self.content_hash:
            raise ContentChanged(purchase_order=self.name, content_hash=self.content_hash)

    def approve(self, by: Sequence[str], at: datetime, *, level: int, automatic: bool, reason: str) -> OrderRevision:
        """Say yes to the submitted content; the revision is kept (PRC-121, PRC-122)."""
        self._not_author(by)
        self.move(State.APPROVED)
        self.approver, self.approver_for = by[0], by[1] if len(by) > 1 else ""
        self.approve_time = self.decide_time = at
        self.level, self.automatic = level, automatic
        self.explanation = [*self.explanation, reason]
        return self._kept(at)

    def withdraw(self, reason: str) -> None:
        """Back to DRAFT: no approval and no hash stand any more (PRC-75)."""
        kept = self.state is State.APPROVED
        self.move(State.DRAFT)
        self.revision += 1 if kept else 0
        self.approver = self.approver_for = self.content_hash = ""
        self.approve_time = self.decide_time = None
        self.level, self.automatic = 0, False
        self.explanation = [*self.explanation, reason]

    def _not_author(self, by: Sequence[str]) -> None:
        duties.keep_apart("writing and approving an order", self.authors, by)

    def _kept(self, at: datetime) -> OrderRevision:
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

    # --- with the supplier ----------------------------------------------------------------------------------

    def issue(self, channel: str, at: datetime) -> events.PurchaseOrderIssued:
        """Hand it over; duties and content are checked again (PRC-73)."""
        self.require(State.APPROVED, to=State.ISSUED)
        self._not_author([self.approver, self.approver_for])
        if not self.approver or self.digest() != self.content_hash:
            raise ContentChanged(purchase_order=self.name, content_hash=self.content_hash)
        self.move(State.ISSUED)
        self.issue_time, self.channel = at, channel
        return self.event(self._told(events.PurchaseOrderIssued()))

    def change(self, line: Line, wanted: Decimal | None, unit_price: Decimal, day: date | None, by: Caller) -> None:
        """Another quantity or date of a line of a draft."""
        self.require(State.DRAFT, to="a changed line")
        if wanted is not None:
            line.resize(wanted, unit_price)
        if day is not None:
            line.expected_date = day
        self._edited(by)

    def revise_issued(self, line: Line, wanted: Decimal | None, day: date | None, by: Caller) -> None:
        """Less or another date of an issued line at its frozen price (PRC-39, PRC-124)."""
        self.require(State.ISSUED, to="another revision")
        if wanted is not None:
            if wanted > line.quantity:
                rule = "may only fall after issue; order more anew"
                raise FieldInvalid(field="quantity.value", rule=rule, value=canonical(wanted))
            if wanted < line.received or wanted <= 0:
                raise BelowDelivered(
                    line=line.line, purchase_order=self.name, received=canonical(line.received),
                    asked=canonical(wanted),
                )  # fmt: skip
            line.resize(wanted, line.unit_price)
        if day is not None:
            line.expected_date = day
        self._edited(by)

    def short_close(self, line: Line, by: Caller) -> None:
        """No more is expected on a line (PRC-125)."""
        self.require(State.ISSUED, to="a short-closed line")
        if line.open_quantity <= 0:
            raise NothingOpen(line=line.line, purchase_order=self.name)
        line.short_closed += line.open_quantity
        self._edited(by)

    def in_force(self, at: datetime) -> tuple[OrderRevision, events.PurchaseOrderChanged]:
        """The next revision of an issued order; what is less or later needs no approval (PRC-121, PRC-127)."""
        self.revision += 1
        self.content_hash = self.digest()
        self.approver, self.approver_for, self.approve_time = NO_APPROVAL, "", at
        words = f"revision {self.revision} needs no approval: it orders no more than was approved"
        self.explanation = [*self.explanation, words]
        return self._kept(at), self.changed()

    def changed(self) -> events.PurchaseOrderChanged:
        """Another content is in force, or the order is open again."""
        return self.event(self._told(events.PurchaseOrderChanged()))

    def _told(self, message: M) -> M:
        told: Any = message
        fill(told, {"number": self.number, "supplier": self.supplier, "revision": self.revision})
        told.content_hash, told.currency_code = self.content_hash, self.currency_code
        for line in self.lines:
            line.tell(told.lines.add())
        return message

    # --- the end --------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """All has come or is short-closed, and all that has come is accepted or rejected (PRC-126, PRC-160)."""
        return all(line.open_quantity == 0 and line.undecided == 0 for line in self.lines)

    def close(self, reason: str) -> events.PurchaseOrderClosed:
        """All is delivered or short-closed."""
        self.require(State.ISSUED, to=State.CLOSED)
        still_open = [str(line.line) for line in self.lines if line.open_quantity > 0]
        if still_open:
            raise StillOpen(purchase_order=self.name, lines=still_open)
        self.move(State.CLOSED)
        return self.event(events.PurchaseOrderClosed(reason=reason))

    def cancel(self, reason: str) -> events.PurchaseOrderCancelled | None:
        """Give it up before anything has come (PRC-125); an event only when it was with the supplier."""
        issued = self.state is State.ISSUED
        for line in self.lines if issued else ():
            if line.received > 0:
                raise AlreadyDelivered(received=canonical(line.received), line=line.line, purchase_order=self.name)
        self.move(State.CANCELLED)
        if not issued:
            return None
        message = events.PurchaseOrderCancelled(reason=reason)
        for line in self.lines:
            for reference in line.references:
                fill(message.references.add(), reference)
        return self.event(message)


def digest_of(content: dict[str, Any]) -> str:
    """SHA-256 of content: sorted keys, decimals and days as text, Unicode NFC (PRC-122)."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()
