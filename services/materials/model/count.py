"""Counts: documents and lines, their states, and what a count, an approval and a late fact do (MAT-145 .. MAT-152)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from google.protobuf import json_format
from plantops.materials.v1.events_pb2 import CountPosted
from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Numeric, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition, PermissionDenied, SegregationOfDuties, TransitionNotAllowed
from services.chassis.resource import enum_text, instant
from services.chassis.wire import money, quantity
from services.materials.model.base import Resource, listed
from services.materials.model.movement import Status
from services.materials.rules import counting, valuation
from services.materials.rules.counting import Tolerance

ZERO = Decimal(0)


class Mode(StrEnum):
    LOCKED = "LOCKED"
    FROZEN = "FROZEN"
    CONTINUOUS = "CONTINUOUS"


class State(StrEnum):
    PLANNED = "PLANNED"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class LineState(StrEnum):
    OPEN = "OPEN"
    COUNTED = "COUNTED"
    SKIPPED = "SKIPPED"
    RECOUNT = "RECOUNT"
    AMBIGUOUS = "AMBIGUOUS"
    APPROVED = "APPROVED"
    POSTED = "POSTED"


UNSEEN = (LineState.OPEN, LineState.RECOUNT)
"""Somebody still has to look; the book is not shown to who does (MAT-149)."""
ENDED = (LineState.SKIPPED, LineState.POSTED)
REASON_CODE = "COUNT"
RESTATED = "COUNT_RESTATED"


class SerialCountedTwice(FailedPrecondition):
    """One unit is in one place (MAT-148)."""

    text = "{serial} was counted in {other} too; one of both has to be counted again."


class CountOutdated(FailedPrecondition):
    """Facts from before the count came in since it was approved (MAT-146)."""

    text = "{count_line} differs by {difference} now and by {approved} when it was approved; approve it again."


class CountUndecided(FailedPrecondition):
    """A count ends when each line that was counted is decided on."""

    text = "{count_line} is {state}; it has to be posted first, or the count cancelled."


class ApprovalLimitExceeded(PermissionDenied):
    """A difference of so much value is accepted by others (MAT-149)."""

    text = "A difference worth {value} {currency_code} is not accepted by who has the roles {roles}."


@dataclass(frozen=True, slots=True)
class Figures:
    """What the ledger says of a line: snapshot and book at the time of the count, and whether it moved about then."""

    snapshot: Decimal
    sequence: int
    book: Decimal
    first_book: Decimal
    second_snapshot: Decimal
    second_book: Decimal
    moved: bool
    on_hand: Decimal
    reserved: Decimal
    price: Decimal
    currency_code: str

    def worth(self, amount: Decimal) -> Decimal:
        """A quantity at the item's present cost."""
        return valuation.rounded(amount * self.price, valuation.places(self.currency_code))


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a count is judged by; fixed at its start."""

    tolerance: Tolerance
    limits: Mapping[str, Decimal]
    window: timedelta

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Parameters":
        """As a document keeps them; typical ones for what it does not say."""
        percents = {name: Decimal(value) for name, value in (kept.get("percents") or {}).items()}
        return cls(
            Tolerance(
                counting.TYPICAL_PERCENT | percents,
                *(None if kept.get(name) is None else Decimal(kept[name]) for name in ("quantity", "value")),
            ),
            {role: Decimal(value) for role, value in (kept.get("limits") or {}).items()},
            timedelta(seconds=kept.get("window_seconds", counting.AMBIGUITY_WINDOW.total_seconds())),
        )  # fmt: skip


class CountDocument(Resource, table=True):
    """Places that are counted together."""

    __tablename__ = "count_document"
    COLLECTION: ClassVar[str] = "counts"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (State.PLANNED, State.STARTED),
            (State.STARTED, State.COMPLETED),
            (State.PLANNED, State.CANCELLED),
            (State.STARTED, State.CANCELLED),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"state", "due_date"})
    __table_args__ = (
        Index("ix_count_document_site", "site", "name"),
        *listed("count_document", "state", "due_date"),
    )

    title: str = Field(default="", sa_type=Text, nullable=False)
    mode: Mode = Field(default=Mode.FROZEN, sa_type=enum_text(Mode), nullable=False)
    state: State = Field(default=State.PLANNED, sa_type=enum_text(State), nullable=False)
    places: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB, nullable=False)
    items: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    book_shown: bool = Field(default=False, nullable=False)
    due_date: date | None = None
    start_time: datetime | None = Field(default=None, sa_type=instant())
    starter: str = Field(default="", sa_type=Text, nullable=False)
    complete_time: datetime | None = Field(default=None, sa_type=instant())
    accuracies: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB, nullable=False)
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB, nullable=False)
    line_count: int = Field(default=0, nullable=False)

    @property
    def locations(self) -> list[str]:
        """Names of its places."""
        return [place["location"] for place in self.places]

    @property
    def judged_by(self) -> Parameters:
        """Tolerances, limits and window."""
        return Parameters.of(self.parameters)

    def started(self) -> "CountDocument":
        """Itself; TransitionNotAllowed unless lines are being counted."""
        if self.state is not State.STARTED:
            raise TransitionNotAllowed(resource=self.name, state=self.state, allowed=self.following, wanted="counting")
        return self

    def start(self, by: str, at: datetime) -> "CountDocument":
        """Begin."""
        self.move(State.STARTED)
        self.starter, self.start_time = by, at
        return self

    def complete(self, at: datetime) -> "CountDocument":
        """End."""
        self.move(State.COMPLETED)
        self.complete_time = at
        return self

    def told(
        self, lines: Iterable["CountLine"], accuracies: Iterable[counting.Accuracy], currency_code: str
    ) -> CountPosted:
        """Lines were posted or stated anew; the accuracy by class is kept too (MAT-152)."""
        message = CountPosted(count=self.name)
        for line in lines:
            line.tell(message.lines.add())
        for row in accuracies:
            told = message.accuracies.add(
                count_class=row.count_class, counted_count=row.counted_count, accurate_count=row.accurate_count
            )
            if currency_code:
                for name in ("net_variance", "gross_variance", "book_value"):
                    getattr(told, name).CopyFrom(money(getattr(row, name), currency_code))
        self.accuracies = [
            json_format.MessageToDict(row, preserving_proto_field_name=True) for row in message.accuracies
        ]
        return self.event(message)


class CountLine(Resource, table=True):
    """One stock that is counted; its book is at the time of the count."""

    __tablename__ = "count_line"
    COLLECTION: ClassVar[str] = "lines"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (LineState.OPEN, LineState.COUNTED),
            (LineState.OPEN, LineState.SKIPPED),
            (LineState.COUNTED, LineState.RECOUNT),
            (LineState.COUNTED, LineState.AMBIGUOUS),
            (LineState.COUNTED, LineState.APPROVED),
            (LineState.RECOUNT, LineState.COUNTED),
            (LineState.AMBIGUOUS, LineState.RECOUNT),
            (LineState.AMBIGUOUS, LineState.APPROVED),
            (LineState.APPROVED, LineState.POSTED),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"state", "item", "location"})
    __table_args__ = (
        Index("uq_count_line_balance", "count", "balance", unique=True),
        Index("ix_count_line_count", "count", "name"),
        *listed("count_line", "state", "item", "location", under="count"),
        Index("ix_count_line_posted", "balance", "count_time", postgresql_where=text("state = 'POSTED'")),
        Index("ix_count_line_serial", "serial", postgresql_where=text("serial <> ''")),
        CheckConstraint("counted >= 0 and second_counted >= 0", name="counted"),
        CheckConstraint(
            "state in ('OPEN', 'SKIPPED') or num_nulls(counted, count_time, snapshot, book, difference) = 0",
            name="known",
        ),
    )

    count: str = Field(sa_type=Text, sa_column_args=[ForeignKey("count_document.name")])
    state: LineState = Field(default=LineState.OPEN, sa_type=enum_text(LineState), nullable=False)
    balance: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text)
    location: str = Field(sa_type=Text)
    lot: str = Field(default="", sa_type=Text, nullable=False)
    serial: str = Field(default="", sa_type=Text, nullable=False)
    handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    status: Status = Field(default=Status.UNRESTRICTED, sa_type=enum_text(Status), nullable=False)
    owner: str = Field(default="", sa_type=Text, nullable=False)
    project: str = Field(default="", sa_type=Text, nullable=False)
    unit_code: str = Field(sa_type=Text)
    second_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    found: bool = Field(default=False, nullable=False)
    book_shown: bool = Field(default=False, nullable=False)
    count_class: str = Field(default="C", sa_type=Text, nullable=False)
    snapshot: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    second_snapshot: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    snapshot_sequence: int = Field(default=0, sa_type=BigInteger, nullable=False)
    counted: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    second_counted: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    count_time: datetime | None = Field(default=None, sa_type=instant())
    counter: str = Field(default="", sa_type=Text, nullable=False)
    counters: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    book: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    difference: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    second_difference: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    restated_difference: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    value: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    value_currency_code: str = Field(default="", sa_type=Text, nullable=False)
    book_value: Decimal = Field(default=ZERO, sa_type=Numeric(24, 9), nullable=False)
    first_counted: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    first_count_time: datetime | None = Field(default=None, sa_type=instant())
    first_book: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    accurate: bool = Field(default=False, nullable=False)
    recount_reason: str = Field(default="", sa_type=Text, nullable=False)
    exception: str = Field(default="", sa_type=Text, nullable=False)
    approver: str = Field(default="", sa_type=Text, nullable=False)
    approve_time: datetime | None = Field(default=None, sa_type=instant())
    movement: str = Field(default="", sa_type=Text, nullable=False)
    post_time: datetime | None = Field(default=None, sa_type=instant())
    note: str = Field(default="", sa_type=Text, nullable=False)

    @property
    def second_counted_unit_code(self) -> str:
        """Unit of the second quantity."""
        return self.second_unit_code

    @property
    def second_difference_unit_code(self) -> str:
        """Unit of the second difference."""
        return self.second_unit_code

    @property
    def hidden(self) -> bool:
        """Whether the book and what others counted are not shown (MAT-149)."""
        return self.state in UNSEEN and not self.book_shown

    @property
    def stands(self) -> Decimal:
        """Its difference as it stands now."""
        return self.difference if self.restated_difference is None else self.restated_difference  # type: ignore[return-value]

    def may_be_counted(self, by: str) -> None:
        """TransitionNotAllowed when it was counted, SegregationOfDuties for who counted it before (MAT-149)."""
        if self.state not in UNSEEN:
            self.move(LineState.COUNTED)
        if by in self.counters:
            raise SegregationOfDuties(duty="A second count", earlier_act=f"the count of {self.name}")

    def record(self, by: str, figures: Figures, parameters: Parameters) -> None:
        """Judge what was counted: beyond a tolerance another person counts again, once (MAT-147, MAT-149)."""
        again = bool(self.counters)
        self.move(LineState.COUNTED)
        self.counter, self.counters, self.exception = by, [*self.counters, by], ""
        if not again:
            self.first_counted, self.first_count_time = self.counted, self.count_time
        self.judge(figures, parameters)
        beyond = parameters.tolerance.exceeded(figures.book, self.counted or ZERO, self.value or ZERO, self.count_class)
        self.recount_reason = "" if again else beyond
        if self.recount_reason:
            self.move(LineState.RECOUNT)
        elif figures.moved:
            self.doubt("it moved about the time of the count")

    def doubt(self, why: str) -> None:
        """A recount or a person's decision is needed (MAT-147)."""
        if self.state is not LineState.AMBIGUOUS:
            self.move(LineState.AMBIGUOUS)
        self.exception = why

    def judge(self, figures: Figures, parameters: Parameters) -> None:
        """Difference and value by what the ledger says now (MAT-146)."""
        counted = self.counted or ZERO
        self.snapshot, self.snapshot_sequence, self.book = figures.snapshot, figures.sequence, figures.book
        self.difference = counted - figures.book
        if self.second_counted is not None:
            self.second_snapshot = figures.second_snapshot
            self.second_difference = self.second_counted - figures.second_book
        self.value, self.value_currency_code = figures.worth(self.difference), figures.currency_code
        self.book_value = figures.worth(figures.book)
        self.first_book = figures.first_book
        self.accurate = parameters.tolerance.accurate(figures.first_book, self.first_counted or ZERO, self.count_class)

    def skip(self, note: str) -> None:
        """Nobody counted it, which is not the same as 0 (MAT-148)."""
        self.move(LineState.SKIPPED)
        self.note = note

    def recount(self, reason: str) -> None:
        """Another person counts it."""
        self.move(LineState.RECOUNT)
        self.recount_reason = reason

    def may_be_approved(self, by: str) -> None:
        """TransitionNotAllowed before it was counted, SegregationOfDuties for who counted it (MAT-149)."""
        if self.state not in (LineState.COUNTED, LineState.AMBIGUOUS, LineState.APPROVED):
            self.move(LineState.APPROVED)
        if by in self.counters:
            raise SegregationOfDuties(duty="Counting and approving", earlier_act=f"the count of {self.name}")

    def approve(self, by: str, at: datetime) -> None:
        """Accept it; once more what was accepted with another difference."""
        if self.state is not LineState.APPROVED:
            self.move(LineState.APPROVED)
        self.approver, self.approve_time = by, at

    def post(self, movement: str, value: Decimal, at: datetime) -> None:
        """The book says what was counted."""
        self.move(LineState.POSTED)
        self.movement, self.value, self.post_time = movement, value, at

    def restate(self, fact: Decimal, effective: datetime, value: Decimal, tolerance: Tolerance) -> None:
        """A fact from before the count came in after it was posted (MAT-150)."""
        self.restated_difference = counting.restated(self.stands, fact)
        self.value = (self.value or ZERO) + value
        if self.first_count_time is not None and effective <= self.first_count_time:
            self.first_book = (self.first_book or ZERO) + fact
            self.accurate = tolerance.accurate(self.first_book, self.first_counted or ZERO, self.count_class)

    def tell(self, message: CountPosted.Line) -> None:
        """Say how it stands."""
        message.count_line, message.item, message.lot, message.serial = self.name, self.item, self.lot, self.serial
        message.location, message.handling_unit, message.status = self.location, self.handling_unit, self.status.value
        message.book.CopyFrom(quantity((self.counted or ZERO) - self.stands, self.unit_code))
        message.counted.CopyFrom(quantity(self.counted or ZERO, self.unit_code))
        message.difference.CopyFrom(quantity(self.stands, self.unit_code))
        message.restated, message.movement = self.restated_difference is not None, self.movement
        message.count_class, message.accurate = self.count_class, self.accurate
        if self.count_time is not None:
            message.count_time.FromDatetime(self.count_time)
        if self.value is not None and self.value_currency_code:
            message.value.CopyFrom(money(self.value, self.value_currency_code))
