"""Expected receipts and receipts: goods that come in (MAT-95 .. MAT-99)."""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, ClassVar

from plantops.materials.v1 import events_pb2 as events
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Numeric, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, Relationship

from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.resource import enum_text, instant
from services.chassis.wire import canonical, quantity
from services.materials.model.base import Resource, Table, listed
from services.materials.model.direct_line import DirectLine
from services.materials.model.ledger import Entered
from services.materials.model.movement import Status
from services.materials.rules import receiving, units
from services.materials.rules.receiving import Room

ZERO = Decimal(0)


class OverReceipt(FailedPrecondition):
    """More than the order accepts (MAT-96)."""

    text = "{expected_receipt} accepts {limit} {unit_code}; {received} are in and {asked} more were scanned."


class NothingExpected(FailedPrecondition):
    """No open order of the supplier for the item: nothing is accepted (MAT-96)."""

    reason = "OVER_RECEIPT"
    text = "No open order of {supplier} awaits {quantity} {unit_code} of {item}."


class NotReceived(FailedPrecondition):
    """More goes back to the supplier than came (MAT-48)."""

    reason = "TOLERANCE_EXCEEDED"
    text = "Of line {line} of {receipt} {open} {unit_code} have not gone back; {asked} cannot."


class SerialNotReceived(FailedPrecondition):
    """A serial that did not come by the line, or went back already, does not go back by it (MAT-16)."""

    text = "{serial} did not come by line {line} of {receipt}, or went back already."


class ExpectedState(StrEnum):
    OPEN = "OPEN"
    COMPLETE = "COMPLETE"
    CLOSED = "CLOSED"


class OverReceiptAction(StrEnum):
    """What becomes of goods beyond what is accepted (MAT-96)."""

    REJECT = "REJECT"
    QUARANTINE = "QUARANTINE"
    AMEND = "AMEND"

    @classmethod
    def of(cls, stated: str) -> "OverReceiptAction":
        """As an order says it; REJECT for what is not known here."""
        return cls(stated) if stated in tuple(cls) else cls.REJECT


class ExpectedReceipt(Resource, table=True):
    """An order's schedule line as goods that will come; quantities in the order unit."""

    __tablename__ = "expected_receipt"
    COLLECTION: ClassVar[str] = "expectedReceipts"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (ExpectedState.OPEN, ExpectedState.COMPLETE),
            (ExpectedState.COMPLETE, ExpectedState.OPEN),
            (ExpectedState.OPEN, ExpectedState.CLOSED),
            (ExpectedState.CLOSED, ExpectedState.OPEN),
            (ExpectedState.COMPLETE, ExpectedState.CLOSED),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"purchase_order", "supplier", "item", "state", "expected_date"})
    __table_args__ = (
        Index("uq_expected_receipt", "purchase_order", "order_line", "schedule_line", unique=True),
        Index("ix_expected_receipt_site", "site", "name"),
        Index("ix_expected_receipt_open", "site", "item", "supplier", "expected_date"),
        *listed("expected_receipt", "supplier", "state", "expected_date"),
        Index("ix_expected_receipt_item", "item"),
        CheckConstraint("received >= 0 and received <= accept_limit", name="received"),
        CheckConstraint(
            "received_base >= 0 and received_base * base_denominator <= accept_limit * base_numerator",
            name="received_base",
        ),
    )

    purchase_order: str = Field(sa_type=Text)
    order_line: int
    schedule_line: int
    supplier: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text)
    unit_code: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    open_quantity: Decimal = Field(sa_type=Numeric(20, 6))
    received: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    received_base: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    accept_limit: Decimal = Field(sa_type=Numeric(20, 6))
    base_numerator: int = Field(sa_type=BigInteger)
    base_denominator: int = Field(sa_type=BigInteger)
    inspect: bool = Field(default=False, nullable=False)
    location: str = Field(default="", sa_type=Text, nullable=False)
    expected_date: date | None = None
    unit_price: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    unit_price_currency_code: str = Field(default="", sa_type=Text, nullable=False)
    state: ExpectedState = Field(default=ExpectedState.OPEN, sa_type=enum_text(ExpectedState), nullable=False)
    over_receipt_action: OverReceiptAction = Field(
        default=OverReceiptAction.REJECT, sa_type=enum_text(OverReceiptAction), nullable=False
    )
    set_aside: bool = Field(default=False, nullable=False)
    text: str = Field(default="", sa_type=Text, nullable=False)
    work_order: str = Field(default="", sa_type=Text, nullable=False)
    demand: str = Field(default="", sa_type=Text, nullable=False)

    @property
    def factor(self) -> Fraction:
        """Base units per order unit."""
        return Fraction(self.base_numerator, self.base_denominator)

    @property
    def awaited_base(self) -> Decimal:
        """Still to come, in the base unit."""
        if self.state is not ExpectedState.OPEN:
            return ZERO
        wanted = units.decimal(Fraction(self.quantity) * self.factor)
        return max(ZERO, wanted - self.received_base)

    def price_of(self, order_quantity: Decimal, currency_code: str) -> Decimal | None:
        """Value at the order's price; None without a price in that currency (MAT-185)."""
        if self.unit_price is None or self.unit_price_currency_code != currency_code:
            return None
        return self.unit_price * order_quantity

    def left(self, step: Decimal) -> Room:
        """What it still awaits and accepts, on the item's grid."""
        if self.state is ExpectedState.CLOSED:
            return Room(ZERO, ZERO)
        ordered, limit = (Fraction(amount) * self.factor for amount in (self.quantity, self.accept_limit))
        came = Fraction(self.received_base)
        return Room(receiving.fitting(ordered - came, step), receiving.fitting(limit - came, step))

    def refused(self, more: Decimal) -> OverReceipt:
        """Why so much more, in the base unit, is not accepted."""
        asked = units.decimal(Fraction(more) / self.factor)
        return OverReceipt(
            expected_receipt=self.name, limit=canonical(self.accept_limit), unit_code=self.unit_code,
            received=canonical(self.received), asked=canonical(asked),
        )  # fmt: skip

    def room(self, more: Decimal) -> bool:
        """Whether so much more, in the base unit, is accepted."""
        limit = Fraction(self.accept_limit) * self.factor
        return self.state is not ExpectedState.CLOSED and Fraction(self.received_base + more) <= limit

    def count(self, more: Decimal) -> Decimal:
        """Count a delivery in the base unit, exactly up to the limit over all receipts (MAT-96).

        Gives it in the order unit; these add up to what is received.
        """
        if not self.room(more):
            raise self.refused(more)
        return self._count(more)

    def uncount(self, less: Decimal) -> None:
        """Take a delivery in the base unit back."""
        self._count(-less)

    def _count(self, more: Decimal) -> Decimal:
        before = self.received
        self.received_base += more
        self.received = units.decimal(Fraction(self.received_base) / self.factor)
        self.judge()
        return self.received - before

    @property
    def complete(self) -> bool:
        """Whether all that was ordered is here."""
        return Fraction(self.received_base) >= Fraction(self.quantity) * self.factor

    def judge(self) -> None:
        """OPEN or COMPLETE by what is here; a closed one stays closed."""
        wanted = ExpectedState.COMPLETE if self.complete else ExpectedState.OPEN
        if self.state is not ExpectedState.CLOSED and self.state is not wanted:
            self.move(wanted)

    def close(self) -> bool:
        """No more will come; whether something was still awaited."""
        if self.state is not ExpectedState.OPEN:
            return False
        self.move(ExpectedState.CLOSED)
        return True


class ReceiptState(StrEnum):
    ARRIVED = "ARRIVED"
    POSTED = "POSTED"
    REVERSED = "REVERSED"
    CANCELLED = "CANCELLED"


class ReceiptLine(Table, table=True):
    """What was counted in; quantity in the base unit."""

    __tablename__ = "receipt_line"
    __table_args__ = (Index("ix_receipt_line_item", "item"),)

    receipt: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("receipt.name")])
    line: int = Field(primary_key=True)
    expected_receipt: str = Field(default="", sa_type=Text, nullable=False)
    purchase_order: str = Field(default="", sa_type=Text, nullable=False)
    order_line: int = Field(default=0, nullable=False)
    schedule_line: int = Field(default=0, nullable=False)
    item: str = Field(sa_type=Text)
    lot: str = Field(default="", sa_type=Text, nullable=False)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    order_quantity: Decimal = Field(sa_type=Numeric(20, 6))
    order_quantity_unit_code: str = Field(sa_type=Text)
    status: Status = Field(sa_type=enum_text(Status))
    location: str = Field(sa_type=Text)
    movement: str = Field(default="", sa_type=Text, nullable=False)
    inspection_lot: str = Field(default="", sa_type=Text, nullable=False)
    put_away_task: str = Field(default="", sa_type=Text, nullable=False)
    second_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    second_quantity_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    entered_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    entered_quantity_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    factor_numerator: int = Field(default=1, sa_type=BigInteger, nullable=False)
    factor_denominator: int = Field(default=1, sa_type=BigInteger, nullable=False)
    serials: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    hold: str = Field(default="", sa_type=Text, nullable=False)
    owner: str = Field(default="", sa_type=Text, nullable=False)
    returned: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    second_returned: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    returned_serials: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    returns: str = Field(default="", sa_type=Text, nullable=False)
    over: bool = Field(default=False, nullable=False)
    documents: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    spread_of: int = Field(default=0, nullable=False)

    @property
    def second_returned_unit_code(self) -> str:
        """Unit of the second quantity."""
        return self.second_quantity_unit_code

    def give_back(self, amount: Decimal, second: Decimal | None, serials: Collection[str]) -> None:
        """Count what goes back to the supplier, never more than came (MAT-48)."""
        for there, asked, code in (
            (self.quantity - self.returned, amount, self.unit_code),
            ((self.second_quantity or ZERO) - self.second_returned, second or ZERO, self.second_quantity_unit_code),
        ):
            if asked > there:
                raise NotReceived(
                    line=self.line, receipt=self.receipt, open=canonical(there), unit_code=code, asked=canonical(asked)
                )
        for serial in serials:
            if serial not in self.serials or serial in self.returned_serials:
                raise SerialNotReceived(serial=serial, line=self.line, receipt=self.receipt)
        self.returned += amount
        self.second_returned += second or ZERO
        self.returned_serials = [*self.returned_serials, *serials]

    @property
    def entered(self) -> Entered | None:
        """The quantity as it was stated (MAT-2)."""
        if self.entered_quantity is None:
            return None
        return Entered(
            self.entered_quantity, self.entered_quantity_unit_code, self.factor_numerator, self.factor_denominator
        )


class Receipt(Resource, table=True):
    """One arrival."""

    COLLECTION: ClassVar[str] = "receipts"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (ReceiptState.ARRIVED, ReceiptState.POSTED),
            (ReceiptState.ARRIVED, ReceiptState.CANCELLED),
            (ReceiptState.POSTED, ReceiptState.REVERSED),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"number", "supplier", "state", "delivery_note", "arrive_time"})
    __table_args__ = (
        Index("ix_receipt_site", "site", "name"),
        Index("uq_receipt_number", "number", unique=True),
        *listed("receipt", "supplier", "state", "delivery_note", "arrive_time"),
    )

    number: str = Field(sa_type=Text)
    supplier: str = Field(sa_type=Text)
    delivery_note: str = Field(default="", sa_type=Text, nullable=False)
    location: str = Field(sa_type=Text)
    arrive_time: datetime = Field(sa_type=instant())
    post_time: datetime | None = Field(default=None, sa_type=instant())
    state: ReceiptState = Field(default=ReceiptState.ARRIVED, sa_type=enum_text(ReceiptState), nullable=False)
    lines: list[ReceiptLine] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "ReceiptLine.line", "cascade": "all"}
    )
    direct_lines: list[DirectLine] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "DirectLine.line", "cascade": "all"}
    )

    @property
    def next_line(self) -> int:
        """Number of the next line, of either kind."""
        return max([row.line for row in self.lines] + [row.line for row in self.direct_lines], default=0) + 1

    def counting(self) -> "Receipt":
        """Refused once it is posted."""
        if self.state is not ReceiptState.ARRIVED:
            self.move(ReceiptState.ARRIVED)
        return self

    def post(self, at: datetime, final: Collection[int]) -> events.ReceiptPosted:
        """The lines are in stock; `final` are those after which no more is awaited."""
        if not self.lines and not self.direct_lines:
            raise FieldInvalid(field="name", rule="the receipt has no lines", value=self.name)
        self.move(ReceiptState.POSTED)
        self.post_time = at
        message = events.ReceiptPosted(supplier=self.supplier)
        message.arrive_time.FromDatetime(self.arrive_time)
        _lines(message, self.lines, final)
        _direct_lines(message, self.direct_lines, final)
        return self.event(message)

    def give_back(self, row: DirectLine) -> events.ReceiptPosted:
        """A line that takes another one back, which is no stock (MAT-102)."""
        self.direct_lines.append(row)
        self.touch()
        message = events.ReceiptPosted(supplier=self.supplier)
        message.arrive_time.FromDatetime(self.arrive_time)
        _direct_lines(message, [row])
        return self.event(message)

    def inspect(self) -> None:
        """What might have been used waits for a decision."""
        for line in self.lines:
            if line.status is Status.UNRESTRICTED:
                line.status = Status.INSPECTION

    def cancel(self) -> None:
        """Nothing comes of it."""
        self.move(ReceiptState.CANCELLED)

    def reverse(self) -> events.ReceiptReversed:
        """Taken back."""
        self.move(ReceiptState.REVERSED)
        message = events.ReceiptReversed(supplier=self.supplier)
        _lines(message, self.lines)
        _direct_lines(message, self.direct_lines)
        return self.event(message)


def _lines(message: Any, lines: Iterable[ReceiptLine], final: Collection[int] = ()) -> None:
    for row in lines:
        message.lines.add(
            receipt_line=row.line, purchase_order=row.purchase_order, order_line=row.order_line,
            schedule_line=row.schedule_line, item=row.item, quantity=quantity(row.quantity, row.unit_code),
            order_quantity=quantity(row.order_quantity, row.order_quantity_unit_code), lot=row.lot,
            status=row.status.value, final=row.line in final, serials=row.serials, over=row.over,
        )  # fmt: skip


def _direct_lines(message: Any, lines: Iterable[DirectLine], final: Collection[int] = ()) -> None:
    for row in lines:
        amount = quantity(row.quantity, row.unit_code)
        message.lines.add(
            receipt_line=row.line, purchase_order=row.purchase_order, order_line=row.order_line,
            schedule_line=row.schedule_line, quantity=amount, order_quantity=amount, final=row.line in final,
            over=row.over, text=row.text, work_order=row.work_order, demand=row.demand, location=row.location,
            returned_line=row.returned_line,
        )  # fmt: skip
