"""Transfers: goods under way from place to place, inside a site or to another one (MAT-51, MAT-111)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, Relationship

from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.resource import enum_text, instant
from services.chassis.wire import canonical
from services.materials.model.base import Resource, listed
from services.materials.model.goods import GoodsLine, content_of, numbered
from services.materials.model.ledger import ZERO
from services.materials.model.loading import Loaded


class State(StrEnum):
    DRAFT = "DRAFT"
    RELEASED = "RELEASED"
    SHIPPED = "SHIPPED"
    PARTLY_RECEIVED = "PARTLY_RECEIVED"
    RECEIVED = "RECEIVED"
    SETTLED = "SETTLED"


UNDER_WAY = (State.SHIPPED, State.PARTLY_RECEIVED, State.RECEIVED)


class Disposition(StrEnum):
    FOUND = "FOUND"
    LOST = "LOST"
    CARRIER_CLAIM = "CARRIER_CLAIM"


class NotUnderWay(FailedPrecondition):
    """More arrives, or is disposed of, than is under way (MAT-111)."""

    reason = "OVER_RECEIPT"
    text = "{transfer} has {open} {unit_code} of {item} under way; {asked} were asked."


class SerialNotUnderWay(FailedPrecondition):
    """A serial that is not under way does not arrive (MAT-16)."""

    text = "{serial} is not under way with {transfer}."


class HandlingUnitChanged(FailedPrecondition):
    """A unit comes as a whole only with what it left with (MAT-21)."""

    text = "{handling_unit} does not stand where {transfer} is under way with all that it left with; receive its lines."


class CurrencyDiffers(FailedPrecondition):
    """A value is carried from site to site in one currency (MAT-51)."""

    text = "{from_site} keeps values in {from_currency}, {to_site} in {to_currency}; a transfer carries one value."


class TransferLine(GoodsLine, table=True):
    """What goes, how much of it arrived and was disposed of."""

    __tablename__ = "transfer_line"
    __table_args__ = (
        CheckConstraint("received >= 0 and disposed >= 0 and received + disposed <= quantity", name="received"),
        CheckConstraint(
            "second_received >= 0 and second_disposed >= 0"
            " and second_received + second_disposed <= coalesce(second_quantity, 0)",
            name="second_received",
        ),
        Index("ix_transfer_line_item", "item"),
    )

    transfer: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("transfer.name")])
    line: int = Field(primary_key=True)
    received: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    second_received: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    disposed: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    second_disposed: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    closed_serials: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]

    @property
    def open_quantity(self) -> Decimal:
        """Under way, once it has left."""
        return self.quantity - self.received - self.disposed

    @property
    def second_open(self) -> Decimal | None:
        """Of the second quantity under way; None without one."""
        if self.second_quantity is None:
            return None
        return self.second_quantity - self.second_received - self.second_disposed

    @property
    def open_serials(self) -> list[str]:
        """Under way, once they have left."""
        return [serial for serial in self.serials if serial not in self.closed_serials]

    @property
    def second_received_unit_code(self) -> str:
        """Unit of the second quantity."""
        return self.second_quantity_unit_code

    @property
    def second_disposed_unit_code(self) -> str:
        """Unit of the second quantity."""
        return self.second_quantity_unit_code


@dataclass(slots=True)
class Part:
    """What of a line arrives or is disposed of, and where it comes to."""

    line: TransferLine
    quantity: Decimal
    second: Decimal | None
    serials: Sequence[str]
    location: str = ""
    to_handling_unit: str = ""
    whole_unit: str = ""
    """Outermost unit that it comes in; inside a site with all that is in it."""
    inside: str = ""
    """Unit that it is under way in; "" for loose goods and for those that went to another site."""

    @property
    def complete(self) -> bool:
        """Whether all that left by the line comes."""
        return self.quantity == self.line.quantity

    def check(self, transfer: str) -> "Part":
        """NotUnderWay for more than is open; the last of a line has all of its second quantity (MAT-9)."""
        row = self.line
        if self.quantity > row.open_quantity:
            raise NotUnderWay(
                transfer=transfer, open=canonical(row.open_quantity), unit_code=row.unit_code, item=row.item,
                asked=canonical(self.quantity),
            )  # fmt: skip
        for serial in self.serials:
            if serial not in row.open_serials:
                raise SerialNotUnderWay(serial=serial, transfer=transfer)
        there = row.second_open
        if there is not None:
            rest = self.quantity == row.open_quantity
            if self.second is None and rest:
                self.second = there
            if self.second is None:
                raise FieldInvalid(field="goods.second_quantity", rule="is required for a part of a line")
            if rest != (self.second == there) or self.second > there:
                rule = f"must be {canonical(there)} for the rest of line {row.line}, and less for a part of it"
                raise FieldInvalid(field="goods.second_quantity", rule=rule, value=canonical(self.second))
        return self

    def count(self, *, disposed: bool) -> None:
        """It is not under way any more."""
        kind = "disposed" if disposed else "received"
        setattr(self.line, kind, getattr(self.line, kind) + self.quantity)
        if self.second is not None:
            setattr(self.line, f"second_{kind}", getattr(self.line, f"second_{kind}") + self.second)
        if self.serials:
            self.line.closed_serials = [*self.line.closed_serials, *self.serials]


class Transfer(Resource, table=True):
    """Goods that go from a site's places to others, by way of a place where they are under way."""

    COLLECTION: ClassVar[str] = "transfers"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (State.DRAFT, State.RELEASED),
            (State.RELEASED, State.SHIPPED),
            (State.SHIPPED, State.PARTLY_RECEIVED),
            (State.SHIPPED, State.RECEIVED),
            (State.PARTLY_RECEIVED, State.RECEIVED),
            (State.RECEIVED, State.SETTLED),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"number", "state", "to_site", "expected_date"})
    __table_args__ = (
        Index("ix_transfer_site", "site", "name"),
        Index("uq_transfer_number", "number", unique=True),
        *listed("transfer", "state", "to_site", "expected_date"),
        Index("ix_transfer_incoming", "to_site", "name"),
        Index("ix_transfer_incoming_state", "to_site", "state", "name"),
        Index("ix_transfer_incoming_expected", "to_site", "expected_date", "name"),
    )

    number: str = Field(sa_type=Text)
    to_site: str = Field(sa_type=Text)
    transit_location: str = Field(sa_type=Text, sa_column_args=[ForeignKey("location.name")])
    to_location: str = Field(default="", sa_type=Text, nullable=False)
    carrier: str = Field(default="", sa_type=Text, nullable=False)
    supply_request: str = Field(default="", sa_type=Text, nullable=False)
    expected_date: date | None = None
    note: str = Field(default="", sa_type=Text, nullable=False)
    state: State = Field(default=State.DRAFT, sa_type=enum_text(State), nullable=False)
    ship_time: datetime | None = Field(default=None, sa_type=instant())
    movement: str = Field(default="", sa_type=Text, nullable=False)
    disposals: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    lines: list[TransferLine] = Relationship(
        sa_relationship_kwargs={
            "lazy": "selectin", "order_by": "TransferLine.line", "cascade": "all, delete-orphan",
        }
    )  # fmt: skip

    @property
    def between_sites(self) -> bool:
        """Whether another site receives it."""
        return self.to_site != f"sites/{self.site}"

    @property
    def open_lines(self) -> list[TransferLine]:
        """Lines of which something is under way."""
        return [row for row in self.lines if row.open_quantity > 0]

    def release(self) -> None:
        """It may be loaded."""
        if not self.lines:
            raise FieldInvalid(field="name", rule="the transfer has no lines", value=self.name)
        self.move(State.RELEASED)

    def ship(self, loaded: Loaded, at: datetime) -> None:
        """Under way: the content of whole units takes the place of their lines."""
        self.move(State.SHIPPED)
        self.ship_time = at
        for row in [row for row in self.lines if row.of_unit]:
            for balance in loaded.content(row.handling_unit):
                values = content_of(balance, row.handling_unit)
                self.lines.append(TransferLine(transfer=self.name, line=numbered(self.lines), **values))
            self.lines.remove(row)

    def receive(self, parts: Iterable[Part], *, final: bool) -> None:
        """Some arrived; what is still under way after the last of it is a difference (MAT-111)."""
        if self.state not in UNDER_WAY:
            self.move(State.PARTLY_RECEIVED)
        for part in parts:
            part.check(self.name).count(disposed=False)
        if self.state is not State.RECEIVED and (final or not self.open_lines):
            self.move(State.RECEIVED)
        elif self.state is State.SHIPPED:
            self.move(State.PARTLY_RECEIVED)
        self.touch()

    def dispose(self, parts: Iterable[Part], said: dict[str, Any]) -> None:
        """What became of goods that did not arrive."""
        if self.state is not State.RECEIVED:
            self.move(State.SETTLED)
        for part in parts:
            part.check(self.name).count(disposed=True)
            amount = {"value": canonical(part.quantity), "unit_code": part.line.unit_code}
            self.disposals = [*self.disposals, {"line": part.line.line, "quantity": amount, **said}]
        self.touch()

    def whole(self, parts: Sequence[Part]) -> set[str]:
        """Outermost units that come as a whole, with all that left in them."""
        come = {part.line.line for part in parts if part.whole_unit and part.complete}
        return {part.whole_unit for part in parts if part.whole_unit} - {
            row.outer_handling_unit for row in self.lines if row.line not in come
        }

    def settle(self) -> None:
        """Over, when nothing is under way any more; what was received is written before."""
        if self.state is State.RECEIVED and not self.open_lines:
            self.move(State.SETTLED)

    @property
    def shipped_units(self) -> set[str]:
        """Outermost units of which nothing is under way any more."""
        still = {row.outer_handling_unit for row in self.open_lines}
        return {row.outer_handling_unit for row in self.lines} - still - {""}
