"""Lines of purchase orders, in the order unit: content, progress, and the needs that they cover (PRC-129, PRC-152)."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from plantops.procurement.v1 import events_pb2 as events
from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.wire import canonical, date_message, fill, money, quantity
from services.procurement.model.base import Table
from services.procurement.rules import cover
from services.procurement.rules import price as rule

ZERO = Decimal(0)
AT_ONCE = "UNRESTRICTED"
"""Status of stock that needs no inspection, and outcome of one that accepts."""


class Line(Table, table=True):
    """One line, in the order unit; `references` are the needs that it covers."""

    __tablename__ = "purchase_order_line"
    __table_args__ = (
        CheckConstraint(
            "quantity > 0 and received >= 0 and accepted >= 0 and rejected >= 0 and short_closed >= 0",
            name="quantities",
        ),
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
    rejected: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
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
    over_percent: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    accept_limit: Decimal = Field(sa_type=Numeric(20, 6))
    references: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"name": "references_"}
    )

    @property
    def open_quantity(self) -> Decimal:
        """max(0, ordered - received - short-closed) (PRC-152)."""
        return max(ZERO, self.quantity - self.received - self.short_closed)

    @property
    def undecided(self) -> Decimal:
        """Received, but neither accepted nor rejected yet."""
        return self.received - self.accepted - self.rejected

    @property
    def factor(self) -> Fraction:
        """Base units per order unit."""
        return Fraction(self.base_numerator, self.base_denominator)

    def resize(self, wanted: Decimal, unit_price: Decimal) -> None:
        """Another quantity at a unit price; what was short-closed before is open again (PRC-125)."""
        self.quantity, self.unit_price, self.short_closed = wanted, unit_price, ZERO
        self.accept_limit = rule.accept_limit(wanted, self.over_percent)
        self.net = rule.net(wanted, unit_price, self.price_base_quantity, self.currency_code)

    def content(self) -> dict[str, str | None]:
        """The commercial content of the line as text: nothing in it can lose digits on its way."""
        decimals = (
            "quantity", "unit_price", "price_base_quantity", "net", "over_percent", "accept_limit", "short_closed",
        )  # fmt: skip
        texts = ("item", "supplier_item", "part_number", "unit_code", "currency_code", "delivery_location")
        return {
            **{name: canonical(getattr(self, name)) for name in decimals},
            **{name: getattr(self, name) for name in texts},
            **{name: str(getattr(self, name)) for name in ("line", "base_numerator", "base_denominator")},
            **{
                name: day.isoformat() if (day := getattr(self, name)) is not None else None
                for name in ("requested_date", "expected_date")
            },
        }

    def tell(self, row: events.PurchaseOrderIssued.Line) -> None:
        """Fill the line of an event."""
        fill(row, {"line": self.line, "kind": "STOCK", "item": self.item})
        schedule = row.schedules.add(
            schedule=1,
            quantity=quantity(self.quantity, self.unit_code),
            open_quantity=quantity(self.open_quantity, self.unit_code),
            base_numerator=self.base_numerator,
            base_denominator=self.base_denominator,
            delivery_location=self.delivery_location,
            accept_limit=quantity(self.accept_limit, self.unit_code),
        )
        for name in ("requested_date", "expected_date"):
            day = getattr(self, name)
            if day is not None:
                getattr(schedule, name).CopyFrom(date_message(day))
        row.unit_price.CopyFrom(money(self.unit_price, self.currency_code))
        row.price_base_quantity.value = canonical(self.price_base_quantity)
        for reference in self.references:
            fill(row.references.add(), reference)


class ReceiptSeen(Table, table=True):
    """A receipt line of an order line: what came and what was decided about it, whichever was heard of first."""

    __tablename__ = "receipt_seen"
    __table_args__ = (Index("ix_receipt_seen_purchase_order", "purchase_order", "line"),)

    receipt: str = Field(sa_type=Text, primary_key=True)
    receipt_line: int = Field(primary_key=True)
    purchase_order: str = Field(sa_type=Text)
    line: int
    quantity: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    """In the order unit; 0 while the receipt was not heard of and after its reversal."""
    base_quantity: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    accepted: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    rejected: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)

    @property
    def counts(self) -> tuple[Decimal, Decimal, Decimal]:
        """Received, accepted and rejected in the order unit; decided to the end, the parts are the whole."""
        if self.quantity == 0:
            return ZERO, ZERO, ZERO
        accepted = cover.share(self.accepted, self.base_quantity, self.quantity)
        decided = cover.share(self.accepted + self.rejected, self.base_quantity, self.quantity)
        return self.quantity, accepted, decided - accepted
