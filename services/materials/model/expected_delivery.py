"""Expected deliveries: units that were announced with their content, until they are scanned (MAT-95)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Index, Numeric, Text, select
from sqlmodel import Field, Relationship

from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.materials.model.base import Resource, Table, listed


class DeliveryState(StrEnum):
    EXPECTED = "EXPECTED"
    RECEIVED = "RECEIVED"
    CANCELLED = "CANCELLED"


STATES = frozenset(
    {
        (DeliveryState.EXPECTED, DeliveryState.RECEIVED),
        (DeliveryState.RECEIVED, DeliveryState.EXPECTED),
        (DeliveryState.EXPECTED, DeliveryState.CANCELLED),
    }
)


class ExpectedDeliveryLine(Table, table=True):
    """What comes in one unit; quantities in the unit that they were announced in."""

    __tablename__ = "expected_delivery_line"
    __table_args__ = (
        Index("ix_expected_delivery_line_sscc", "sscc"),
        Index("ix_expected_delivery_line_receipt", "receipt"),
    )

    expected_delivery: str = Field(
        sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("expected_delivery.name")]
    )
    line: int = Field(primary_key=True)
    sscc: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    quantity_unit_code: str = Field(sa_type=Text)
    expected_receipt: str = Field(default="", sa_type=Text, nullable=False)
    lot_number: str = Field(default="", sa_type=Text, nullable=False)
    manufacture_date: date | None = None
    best_before_date: date | None = None
    expire_date: date | None = None
    receipt: str = Field(default="", sa_type=Text, nullable=False)
    received: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))

    @property
    def received_unit_code(self) -> str:
        """Unit of what was received."""
        return self.quantity_unit_code


class ExpectedDelivery(Resource, table=True):
    """A delivery that a supplier announced."""

    __tablename__ = "expected_delivery"
    COLLECTION: ClassVar[str] = "expectedDeliveries"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = STATES
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"supplier", "state", "delivery_note", "expected_date"})
    __table_args__ = (
        Index("ix_expected_delivery_site", "site", "name"),
        *listed("expected_delivery", "supplier", "state", "delivery_note", "expected_date"),
    )

    supplier: str = Field(sa_type=Text)
    delivery_note: str = Field(default="", sa_type=Text, nullable=False)
    expected_date: date | None = None
    state: DeliveryState = Field(default=DeliveryState.EXPECTED, sa_type=enum_text(DeliveryState), nullable=False)
    lines: list[ExpectedDeliveryLine] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "ExpectedDeliveryLine.line", "cascade": "all"}
    )

    def receive(self, line: ExpectedDeliveryLine, receipt: str, quantity: Decimal) -> None:
        """A unit was scanned; all of the delivery is here with the last."""
        line.receipt, line.received = receipt, quantity
        self.judge()

    def await_again(self, receipt: str) -> None:
        """The receipt came to nothing."""
        for line in self.lines:
            if line.receipt == receipt:
                line.receipt, line.received = "", None
        self.judge()

    def judge(self) -> None:
        """EXPECTED or RECEIVED by what is here; a cancelled one stays so."""
        wanted = DeliveryState.RECEIVED if all(line.receipt for line in self.lines) else DeliveryState.EXPECTED
        if self.state not in (wanted, DeliveryState.CANCELLED):
            self.move(wanted)
        self.touch()


async def with_unit(unit: Unit, site: str, supplier: str, sscc: str) -> Sequence[ExpectedDelivery]:
    """Deliveries of a supplier that are expected with a unit, locked."""
    rows: Sequence[ExpectedDelivery] = await unit.all(
        select(ExpectedDelivery)
        .where(
            ExpectedDelivery.site == site,  # type: ignore[arg-type]
            ExpectedDelivery.supplier == supplier,  # type: ignore[arg-type]
            ExpectedDelivery.state == DeliveryState.EXPECTED,  # type: ignore[arg-type]
            ExpectedDelivery.name.in_(  # type: ignore[attr-defined]
                select(ExpectedDeliveryLine.expected_delivery).where(ExpectedDeliveryLine.sscc == sscc)  # type: ignore[call-overload]
            ),
        )
        .order_by(ExpectedDelivery.name)
        .with_for_update()
    )
    return rows


async def release(unit: Unit, receipt: str) -> None:
    """Units that came by a receipt which came to nothing are awaited again."""
    rows: Sequence[ExpectedDelivery] = await unit.all(
        select(ExpectedDelivery)
        .where(
            ExpectedDelivery.name.in_(  # type: ignore[attr-defined]
                select(ExpectedDeliveryLine.expected_delivery).where(ExpectedDeliveryLine.receipt == receipt)  # type: ignore[call-overload]
            )
        )
        .order_by(ExpectedDelivery.name)
        .with_for_update()
    )
    for row in rows:
        row.await_again(receipt)
