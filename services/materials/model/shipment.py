"""Shipments: goods that go to customers, and what comes back of them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, Relationship

from services.chassis.faults import FailedPrecondition, FieldInvalid, TransitionNotAllowed
from services.chassis.resource import enum_text, instant
from services.chassis.wire import canonical
from services.materials.model.base import Resource, Table, listed
from services.materials.model.goods import GoodsLine, content_of, numbered
from services.materials.model.handling_unit import HandlingUnit
from services.materials.model.ledger import ZERO
from services.materials.model.loading import Loaded
from services.materials.rules import under_way


class State(StrEnum):
    DRAFT = "DRAFT"
    PACKED = "PACKED"
    SHIPPED = "SHIPPED"
    CANCELLED = "CANCELLED"


class NotShipped(FailedPrecondition):
    """More comes back than went out (MAT-48)."""

    reason = "TOLERANCE_EXCEEDED"
    text = "Of line {line} of {shipment} {open} {unit_code} are with the customer; {asked} cannot come back."


class SerialNotShipped(FailedPrecondition):
    """A serial that did not leave by the line, or came back already, does not come back by it (MAT-16)."""

    text = "{serial} is not with the customer by line {line} of {shipment}."


class NotForCustomers(FailedPrecondition):
    """Only the company's unrestricted stock goes to customers (MAT-60)."""

    text = "{item} at {location} is {why}; it does not go to customers."


class ShipmentLine(GoodsLine, table=True):
    """What goes, what it cost, and how much of it came back."""

    __tablename__ = "shipment_line"
    __table_args__ = (
        CheckConstraint("returned >= 0 and returned <= quantity", name="returned"),
        CheckConstraint(
            "second_returned >= 0 and second_returned <= coalesce(second_quantity, 0)", name="second_returned"
        ),
        Index("ix_shipment_line_item", "item"),
    )

    shipment: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("shipment.name")])
    line: int = Field(primary_key=True)
    returned: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    second_returned: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    returned_serials: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    cost: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    cost_currency_code: str = Field(default="", sa_type=Text, nullable=False)
    ship_task: str = Field(default="", sa_type=Text, nullable=False)

    @property
    def second_returned_unit_code(self) -> str:
        """Unit of the second quantity."""
        return self.second_quantity_unit_code

    def bring_back(self, amount: Decimal, second: Decimal | None, serials: Sequence[str], digits: int) -> Decimal:
        """Count what comes back, never more than went out; gives its value at the shipped cost (MAT-48)."""
        there = self.quantity - self.returned
        if amount > there:
            raise self._too_much(there, amount, self.unit_code)
        if second is not None:
            second_there = (self.second_quantity or ZERO) - self.second_returned
            if second > second_there:
                raise self._too_much(second_there, second, self.second_quantity_unit_code)
            self.second_returned += second
        for serial in serials:
            if serial not in self.serials or serial in self.returned_serials:
                raise SerialNotShipped(serial=serial, line=self.line, shipment=self.shipment)
        worth = under_way.worth(self.cost or ZERO, self.quantity, self.returned, amount, digits)
        self.returned += amount
        self.returned_serials = [*self.returned_serials, *serials]
        return worth

    def _too_much(self, there: Decimal, asked: Decimal, unit_code: str) -> NotShipped:
        return NotShipped(
            line=self.line, shipment=self.shipment, open=canonical(there), unit_code=unit_code, asked=canonical(asked)
        )


class ShippedUnit(Table, table=True):
    """A handling unit as it left: it stands nowhere since, so its papers keep where it was."""

    __tablename__ = "shipped_unit"

    shipment: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("shipment.name")])
    handling_unit: str = Field(
        sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("handling_unit.name")], index=True
    )
    parent_handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    number: str = Field(sa_type=Text)
    sscc: str = Field(sa_type=Text)
    gross_weight: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    gross_weight_unit_code: str = Field(default="", sa_type=Text, nullable=False)

    @classmethod
    def of(cls, shipment: str, row: HandlingUnit) -> "ShippedUnit":
        """The unit as it stands."""
        return cls(
            shipment=shipment, handling_unit=row.name, parent_handling_unit=row.parent_handling_unit or "",
            number=row.number, sscc=row.sscc, gross_weight=row.gross_weight,
            gross_weight_unit_code=row.gross_weight_unit_code,
        )  # fmt: skip


class Shipment(Resource, table=True):
    """Goods that go to a customer."""

    COLLECTION: ClassVar[str] = "shipments"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (State.DRAFT, State.PACKED),
            (State.PACKED, State.DRAFT),
            (State.PACKED, State.SHIPPED),
            (State.DRAFT, State.CANCELLED),
            (State.PACKED, State.CANCELLED),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"number", "state", "customer", "external_id", "ship_time"})
    __table_args__ = (
        Index("ix_shipment_site", "site", "name"),
        Index("uq_shipment_number", "number", unique=True),
        *listed("shipment", "state", "customer", "external_id", "ship_time"),
    )

    number: str = Field(sa_type=Text)
    customer: str = Field(sa_type=Text)
    address: str = Field(default="", sa_type=Text, nullable=False)
    source_system: str = Field(default="", sa_type=Text, nullable=False)
    external_id: str = Field(default="", sa_type=Text, nullable=False)
    carrier: str = Field(default="", sa_type=Text, nullable=False)
    state: State = Field(default=State.DRAFT, sa_type=enum_text(State), nullable=False)
    ship_time: datetime | None = Field(default=None, sa_type=instant())
    movement: str = Field(default="", sa_type=Text, nullable=False)
    loading_location: str = Field(default="", sa_type=Text, nullable=False)
    lines: list[ShipmentLine] = Relationship(
        sa_relationship_kwargs={
            "lazy": "selectin", "order_by": "ShipmentLine.line", "cascade": "all, delete-orphan",
        }
    )  # fmt: skip

    def pack(self) -> None:
        """All is packed."""
        if not self.lines:
            raise FieldInvalid(field="name", rule="the shipment has no lines", value=self.name)
        self.move(State.PACKED)

    def ship(self, loaded: Loaded, at: datetime) -> None:
        """Left: the content of whole units takes the place of their lines."""
        self.move(State.SHIPPED)
        self.ship_time = at
        for row in [row for row in self.lines if row.of_unit]:
            for balance in loaded.content(row.handling_unit):
                values = content_of(balance, row.handling_unit)
                self.lines.append(ShipmentLine(shipment=self.name, line=numbered(self.lines), **values))
            self.lines.remove(row)

    def line_of(self, number: int) -> ShipmentLine:
        """A line of one that left."""
        if self.state is not State.SHIPPED:
            allowed = "leaving" if self.state is State.PACKED else "packing"
            raise TransitionNotAllowed(
                resource=self.name, state=self.state.value, allowed=allowed, wanted="a customer's return"
            )
        found = next((row for row in self.lines if row.line == number), None)
        if found is None:
            raise FieldInvalid(field="line", rule="must be a line of the shipment", value=number)
        return found
