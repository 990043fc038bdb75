"""Suppliers and what they sell; and what procurement knows of items (PRC-20 .. PRC-41)."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, ClassVar

from google.protobuf.message import Message
from plantops.procurement.v1.events_pb2 import SupplierChanged
from sqlalchemy import ForeignKey, Index, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition, FieldInvalid, SegregationOfDuties
from services.chassis.resource import enum_text
from services.chassis.wire import fill
from services.procurement.model.base import Resource, Table
from services.procurement.rules.price import Price
from services.procurement.rules.source import Candidate

ONE = Decimal(1)


class State(StrEnum):
    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    RETIRED = "RETIRED"


class SupplierOnHold(FailedPrecondition):
    """Nothing is ordered from a supplier that is not active."""

    text = "{supplier} is {state}; nothing may be ordered from it."


class Supplier(Resource, table=True):
    """A company that sells to us."""

    COLLECTION: ClassVar[str] = "suppliers"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (State.DRAFT, State.ACTIVE),
            (State.ACTIVE, State.SUSPENDED),
            (State.SUSPENDED, State.ACTIVE),
            (State.ACTIVE, State.RETIRED),
            (State.SUSPENDED, State.RETIRED),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"number", "title", "state", "country_code"})
    __table_args__ = (Index("uq_supplier_number", "number", unique=True),)

    number: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    currency_code: str = Field(sa_type=Text)
    country_code: str = Field(default="", sa_type=Text, nullable=False)
    email: str = Field(default="", sa_type=Text, nullable=False)
    state: State = Field(default=State.DRAFT, sa_type=enum_text(State), nullable=False)
    author: str = Field(sa_type=Text)

    def activate(self, by: str) -> Message:
        """Approve as another person than who made or edited it (SEC-27)."""
        if by == self.author:
            raise SegregationOfDuties(duty="creating and approving a supplier", earlier_act=self.author)
        self.move(State.ACTIVE)
        return self.told()

    def orderable(self) -> "Supplier":
        """SupplierOnHold unless ACTIVE."""
        if self.state is not State.ACTIVE:
            raise SupplierOnHold(supplier=self.name, state=self.state)
        return self

    def told(self) -> Message:
        """All that others need to know."""
        message = fill(SupplierChanged(), self)
        message.supplier = self.name
        return self.event(message)


class SupplierItem(Resource, table=True):
    """What a supplier sells; quantities in the order unit."""

    __tablename__ = "supplier_item"
    COLLECTION: ClassVar[str] = "items"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"item", "part_number", "rank"})
    __table_args__ = (
        Index("uq_supplier_item", "supplier", "item", "site", unique=True, postgresql_nulls_not_distinct=True),
        Index("ix_supplier_item_item", "item"),
    )

    supplier: str = Field(sa_type=Text, sa_column_args=[ForeignKey("supplier.name")])
    item: str = Field(sa_type=Text)
    part_number: str = Field(default="", sa_type=Text, nullable=False)
    unit_code: str = Field(sa_type=Text)
    base_numerator: int = Field(default=1, nullable=False)
    base_denominator: int = Field(default=1, nullable=False)
    minimum_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    multiple: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    price_base_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    prices: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    lead_days: int
    rank: int = Field(default=0, nullable=False)
    over_percent: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))

    def checked(self) -> "SupplierItem":
        """FieldInvalid where quantities or prices make no sense."""
        self.base_numerator, self.base_denominator = self.base_numerator or 1, self.base_denominator or 1
        self.site = self.site or None
        for name in ("multiple", "price_base_quantity"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise FieldInvalid(field=f"supplier_item.{name}", rule="must be more than 0", value=value)
        if self.over_percent is not None and not 0 <= self.over_percent <= 1000:
            raise FieldInvalid(field="supplier_item.over_percent", rule="must lie between 0 and 1000")
        currencies = {row["unit_price"]["currency_code"] for row in self.prices}
        if len(currencies) > 1:
            raise FieldInvalid(field="supplier_item.prices", rule="all have one currency", value=sorted(currencies))
        for index, price in enumerate(self.price_rows):
            if price.break_quantity < 0 or price.unit_price <= 0:
                raise FieldInvalid(field=f"supplier_item.prices[{index}]", rule="needs a break >= 0 and a price > 0")
        return self

    @property
    def currency_code(self) -> str:
        """Currency of its prices."""
        return str(self.prices[0]["unit_price"]["currency_code"]) if self.prices else ""

    @property
    def price_rows(self) -> list[Price]:
        """Prices for the rules."""
        return [
            Price(
                Decimal(row["break_quantity"]["value"]),
                _money(row["unit_price"]),
                _day(row, "from_date"),
                _day(row, "to_date"),
            )
            for row in self.prices
        ]

    @property
    def factor(self) -> Fraction:
        """Base units per order unit."""
        return Fraction(self.base_numerator, self.base_denominator)

    def candidate(self, active: bool) -> Candidate:
        """The supplier item for the rules."""
        return Candidate(
            name=self.name,
            supplier=self.supplier,
            active=active,
            rank=self.rank,
            numerator=self.base_numerator,
            denominator=self.base_denominator,
            minimum=self.minimum_quantity or Decimal(0),
            multiple=self.multiple or ONE,
            price_base=self.price_base_quantity or ONE,
            prices=self.price_rows,
            lead_days=self.lead_days,
        )


def _money(row: dict[str, Any]) -> Decimal:
    return Decimal(str(row.get("units", 0))) + Decimal(int(row.get("nanos", 0))) / 10**9


def _day(row: dict[str, Any], name: str) -> date | None:
    value = row.get(name)
    return date(value["year"], value["month"], value["day"]) if value else None


class ItemFact(Table, table=True):
    """What procurement needs to know of an item; materials is its home."""

    __tablename__ = "item_fact"

    name: str = Field(sa_type=Text, primary_key=True)
    number: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    base_unit_code: str = Field(sa_type=Text)
    conversions: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    state: str = Field(sa_type=Text)

    def factor(self, unit_code: str) -> Fraction | None:
        """Base units per unit; None where there is no conversion."""
        if unit_code == self.base_unit_code:
            return Fraction(1)
        for row in self.conversions:
            if row["unit_code"] == unit_code:
                return Fraction(int(row["numerator"]), int(row["denominator"]))
        return None


class SiteFact(Table, table=True):
    """What procurement needs to know of a site; maintenance is its home."""

    __tablename__ = "site_fact"

    name: str = Field(sa_type=Text, primary_key=True)
    time_zone: str = Field(sa_type=Text)
    currency_code: str = Field(sa_type=Text)
