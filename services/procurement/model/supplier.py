"""Suppliers and what they sell (PRC-20 .. PRC-41)."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, ClassVar

from google.protobuf.message import Message
from plantops.procurement.v1.events_pb2 import SupplierChanged
from sqlalchemy import ARRAY, ForeignKey, Index, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.access import Caller
from services.chassis.faults import FailedPrecondition, FieldInvalid, InvalidArgument
from services.chassis.resource import enum_text
from services.chassis.wire import fill
from services.procurement.model import duties
from services.procurement.model.base import Resource
from services.procurement.model.facts import ONE, ItemFact
from services.procurement.rules.price import Price, Terms
from services.procurement.rules.source import Candidate

ZERO = Decimal(0)
LARGEST_FACTOR = 10**9


class State(StrEnum):
    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    RETIRED = "RETIRED"


class SupplierOnHold(FailedPrecondition):
    """Nothing is ordered from a supplier that is not active."""

    text = "{supplier} is {state}; nothing may be ordered from it."


class NoPrice(FailedPrecondition):
    """No price is valid for the quantity (PRC-37)."""

    text = "{supplier_item}: {why}."


class CurrencyMismatch(InvalidArgument):
    """Prices are matched in the order's currency, never converted (PRC-5)."""

    text = "{field}: {given} is not {wanted}, the currency of {supplier}."

    def __init__(self, *, field: str, given: str, wanted: str, supplier: str) -> None:
        super().__init__(field=field, given=given, wanted=wanted, supplier=supplier)
        self.at(field)


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
    authors: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    """All who made or edited it."""
    approver: str = Field(default="", sa_type=Text, nullable=False)

    def edited(self, by: Caller) -> Message:
        """Somebody made or changed it."""
        self.author = by.name
        self.authors = duties.joined(self.authors, duties.persons(by))
        return self.told()

    def activate(self, by: Caller) -> Message:
        """Approve as another person than those who made or edited it (SEC-27)."""
        if (self.state, State.ACTIVE) in self.TRANSITIONS:
            duties.keep_apart("creating and approving a supplier", self.authors, duties.persons(by))
        self.move(State.ACTIVE)
        self.approver = by.name
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

    def checked(self, supplier: Supplier, item: ItemFact | None) -> "SupplierItem":
        """FieldInvalid or CurrencyMismatch where quantities, units or prices make no sense."""
        self.base_numerator, self.base_denominator = self.base_numerator or 1, self.base_denominator or 1
        self.site = self.site or None
        self._check_quantities()
        self._check_prices(supplier)
        known = item.factor(self.unit_code) if item is not None else None
        if item is not None and known is not None and known != self.factor:
            rule = f"{item.name} has {known} {item.base_unit_code} in a {self.unit_code}"
            raise FieldInvalid(field="supplier_item.base_numerator", rule=rule, value=self.factor)
        return self

    def _check_quantities(self) -> None:
        for name in ("base_numerator", "base_denominator"):
            if getattr(self, name) > LARGEST_FACTOR:
                raise FieldInvalid(
                    field=f"supplier_item.{name}", rule="is at most 1000000000", value=getattr(self, name)
                )
        for name in ("multiple", "price_base_quantity"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise FieldInvalid(field=f"supplier_item.{name}", rule="must be more than 0", value=value)
        if self.minimum_quantity is not None and self.minimum_quantity < 0:
            rule = "must not be less than 0"
            raise FieldInvalid(field="supplier_item.minimum_quantity", rule=rule, value=self.minimum_quantity)
        if self.over_percent is not None and not 0 <= self.over_percent <= 1000:
            rule = "must lie between 0 and 1000"
            raise FieldInvalid(field="supplier_item.over_percent", rule=rule, value=self.over_percent)

    def _check_prices(self, supplier: Supplier) -> None:
        known: set[tuple[Decimal, date | None]] = set()
        for index, (row, price) in enumerate(zip(self.prices, self.price_rows, strict=True)):
            field = f"supplier_item.prices[{index}]"
            currency = row["unit_price"]["currency_code"]
            if currency != supplier.currency_code:
                field = f"{field}.unit_price.currency_code"
                raise CurrencyMismatch(
                    field=field, given=currency, wanted=supplier.currency_code, supplier=supplier.name
                )
            if price.break_quantity < 0 or price.unit_price <= 0:
                raise FieldInvalid(field=field, rule="needs a break >= 0 and a price > 0", value=price.unit_price)
            if price.from_date and price.to_date and price.to_date <= price.from_date:
                raise FieldInvalid(field=field, rule="to_date must be after from_date", value=price.to_date)
            if (price.break_quantity, price.from_date) in known:
                rule = "has the break and the first day of another price"
                raise FieldInvalid(field=field, rule=rule, value=price.break_quantity)
            known.add((price.break_quantity, price.from_date))

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

    @property
    def terms(self) -> Terms:
        """Grid and prices for the rules."""
        return Terms(
            minimum=self.minimum_quantity or ZERO,
            multiple=self.multiple or ONE,
            price_base=self.price_base_quantity or ONE,
            prices=self.price_rows,
            currency_code=self.currency_code,
        )

    def candidate(self, excluded: str = "") -> Candidate:
        """The supplier item for the rules."""
        return Candidate(
            name=self.name,
            supplier=self.supplier,
            rank=self.rank,
            factor=self.factor,
            terms=self.terms,
            lead_days=self.lead_days,
            excluded=excluded,
        )


def _money(row: dict[str, Any]) -> Decimal:
    return Decimal(str(row.get("units", 0))) + Decimal(int(row.get("nanos", 0))) / 10**9


def _day(row: dict[str, Any], name: str) -> date | None:
    value = row.get(name)
    return date(value["year"], value["month"], value["day"]) if value else None
