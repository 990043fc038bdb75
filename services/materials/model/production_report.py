"""What was reported as made, and what it used (MAT-122 .. MAT-126)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from plantops.materials.v1.events_pb2 import ProductionReported
from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, Relationship

from services.chassis.resource import enum_text, instant
from services.chassis.unit import Unit
from services.chassis.wire import quantity
from services.materials.model.base import Resource, Table, listed
from services.materials.model.production import ProductionOrder

ZERO = Decimal(0)


class ReportState(StrEnum):
    POSTED = "POSTED"
    REVERSED = "REVERSED"


class ProductionConsumption(Table, table=True):
    """What a report used of a component; `remaining` of it is in nothing that was made yet.

    `pooled`: it may have been another lot that lay there; `others` are those of which nothing was booked.
    """

    __tablename__ = "production_consumption"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint(
            "remaining >= 0 and remaining <= quantity and remaining_value >= 0 and remaining_value <= value",
            name="remaining",
        ),
        Index("ix_production_consumption_production_order", "production_order", "component"),
        Index("ix_production_consumption_lot", "lot", postgresql_where=text("lot <> ''")),
    )

    production_report: str = Field(
        sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("production_report.name")]
    )
    line: int = Field(primary_key=True)
    production_order: str = Field(sa_type=Text)
    component: int
    operation: int
    item: str = Field(sa_type=Text)
    lot: str = Field(sa_type=Text)
    serial: str = Field(sa_type=Text)
    handling_unit: str = Field(sa_type=Text)
    movement: str = Field(sa_type=Text, sa_column_args=[ForeignKey("movement.name")])
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    value: Decimal = Field(sa_type=Numeric(24, 9))
    currency_code: str = Field(sa_type=Text)
    remaining: Decimal = Field(sa_type=Numeric(20, 6))
    remaining_value: Decimal = Field(sa_type=Numeric(24, 9))
    pooled: bool
    others: dict[str, str] = Field(default_factory=dict, sa_type=JSONB)

    @property
    def key(self) -> str:
        """What the absorption of a report names it by."""
        return f"{self.production_report}#{self.line}"


class ProductionReport(Resource, table=True):
    """Units made at an operation of an order. `absorbed` is what of the inputs went into what it made."""

    __tablename__ = "production_report"
    COLLECTION: ClassVar[str] = "productionReports"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset({(ReportState.POSTED, ReportState.REVERSED)})
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"production_order", "state", "asset", "end_time"})
    __table_args__ = (
        Index("ix_production_report_site", "site", "name"),
        *listed("production_report", "production_order", "state", "asset", "end_time"),
        Index("ix_production_report_order", "production_order", "name"),
        CheckConstraint("good >= 0 and scrap >= 0 and rework >= 0 and good + scrap + rework > 0", name="units"),
    )

    number: str = Field(sa_type=Text)
    production_order: str = Field(sa_type=Text, sa_column_args=[ForeignKey("production_order.name")])
    operation: int
    unit_code: str = Field(sa_type=Text)
    good: Decimal = Field(sa_type=Numeric(20, 6))
    scrap: Decimal = Field(sa_type=Numeric(20, 6))
    rework: Decimal = Field(sa_type=Numeric(20, 6))
    scrap_reason: str = Field(default="", sa_type=Text, nullable=False)
    asset: str = Field(default="", sa_type=Text, nullable=False)
    shift: str = Field(default="", sa_type=Text, nullable=False)
    start_time: datetime | None = Field(default=None, sa_type=instant())
    end_time: datetime = Field(sa_type=instant())
    state: ReportState = Field(default=ReportState.POSTED, sa_type=enum_text(ReportState), nullable=False)
    lot: str = Field(default="", sa_type=Text, nullable=False)
    serials: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    outputs: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    shortages: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    absorbed: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    carried_value: Decimal = Field(default=ZERO, sa_type=Numeric(24, 9), nullable=False)
    currency_code: str = Field(sa_type=Text)
    consume_movement: str = Field(default="", sa_type=Text, nullable=False)
    produce_movement: str = Field(default="", sa_type=Text, nullable=False)
    reason: str = Field(default="", sa_type=Text, nullable=False)
    consumptions: list[ProductionConsumption] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "ProductionConsumption.line"}
    )

    def told(self, order: ProductionOrder) -> ProductionReported:
        """It was made, or taken back."""
        step = next(row for row in order.operations if row.operation == self.operation)
        seconds = int(step.unit_duration.total_seconds()) if step.unit_duration is not None else 0
        message = ProductionReported(
            production_report=self.name, reversed=self.state is ReportState.REVERSED, item=order.item,
            operation=self.operation, last_operation=self.operation == order.last_operation,
            good=quantity(self.good, self.unit_code), scrap=quantity(self.scrap, self.unit_code),
            scrap_reason=self.scrap_reason, rework=quantity(self.rework, self.unit_code),
            source_system=order.source_system, external_id=order.external_id, asset=self.asset, shift=self.shift,
            unit_seconds=seconds,
        )  # fmt: skip
        message.end_time.FromDatetime(self.end_time)
        if self.start_time is not None:
            message.start_time.FromDatetime(self.start_time)
        for row in self.consumptions:
            message.consumed.add(
                item=row.item, lot=row.lot, serial=row.serial, quantity=quantity(row.quantity, row.unit_code)
            )
        for made in self.outputs:
            amount = Decimal(made["quantity"]["value"])
            message.made.add(
                item=made["item"], lot=made.get("lot", ""), quantity=quantity(amount, made["quantity"]["unit_code"])
            )
        return order.event(message)


async def inputs(unit: Unit, orders: Iterable[str], *, lock: bool = True) -> Sequence[ProductionConsumption]:
    """What orders have used and not made yet, oldest first."""
    statement = (
        select(ProductionConsumption)
        .join(ProductionReport, ProductionReport.name == ProductionConsumption.production_report)  # type: ignore[arg-type]
        .where(
            ProductionConsumption.production_order.in_(sorted(set(orders))),  # type: ignore[attr-defined]
            ProductionReport.state == ReportState.POSTED,  # type: ignore[arg-type]
            or_(ProductionConsumption.remaining > 0, ProductionConsumption.remaining_value > 0),  # type: ignore[arg-type]
        )
        .order_by(ProductionReport.number, ProductionConsumption.production_report, ProductionConsumption.line)  # type: ignore[arg-type]
    )
    return await unit.all(statement.with_for_update(of=ProductionConsumption) if lock else statement)
