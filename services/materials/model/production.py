"""Production orders with their operations, components and outputs (MAT-120, MAT-121, MAT-126 .. MAT-128)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Interval, Numeric, Text, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, Relationship

from services.chassis.faults import AlreadyExists, FailedPrecondition, ToleranceExceeded, TransitionNotAllowed
from services.chassis.resource import enum_text, instant
from services.chassis.unit import Unit
from services.materials.model.base import Resource, Table, listed
from services.materials.model.structure import OutputKind
from services.materials.rules import backflush
from services.materials.rules.backflush import Count

ZERO = Decimal(0)


class OrderState(StrEnum):
    PLANNED = "PLANNED"
    RELEASED = "RELEASED"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class LotRule(StrEnum):
    """Which lot good units belong to, where it is not scanned."""

    ORDER = "ORDER"
    DAY = "DAY"
    LINE = "LINE"


OPEN = (OrderState.RELEASED, OrderState.STARTED)


class OrderExists(AlreadyExists):
    """The order of another system is here already (MAT-130)."""

    constraint = "uq_production_order_external_id"
    text = "An order of that system with that id is here already."


class WipNotEmpty(FailedPrecondition):
    """Something of the order is still at the line or in process (MAT-121)."""

    text = "{production_order} has {quantity} {unit_code} of {item} at {location}."


class WipLimitReached(FailedPrecondition):
    """So much is in process that nothing more is staged (MAT-128)."""

    text = "{units} {unit_code} are in process at operation {operation}; nothing is staged from {limit} on."


class ConsumptionUnusual(ToleranceExceeded):
    """More or less is used than the tolerance allows, and no reason says why (MAT-124)."""

    reason = "TOLERANCE_EXCEEDED"
    text = "{used} {unit_code} of {item} would be used where {required} are required; a reason_code says why."


class WeightRequired(FailedPrecondition):
    """A component with catch weight is weighed and not computed, unless all that lies there is taken (MAT-9)."""

    text = "{item} has a catch weight: say what {quantity} of component {component} weigh by second_quantity."


class ProductionOperation(Table, table=True):
    """A step of an order, with the place of what is in process there."""

    __tablename__ = "production_operation"
    __table_args__ = (
        CheckConstraint("staged_units >= 0 and good >= 0 and scrapped >= 0 and reworked >= 0", name="units"),
        Index("ix_production_operation_asset", "site", "asset", postgresql_where=text("asset <> ''")),
    )

    production_order: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("production_order.name")])
    operation: int = Field(primary_key=True)
    site: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    asset: str = Field(sa_type=Text)
    location: str = Field(sa_type=Text, sa_column_args=[ForeignKey("location.name")])
    unit_code: str = Field(sa_type=Text)
    wip_limit: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    min_units: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    max_units: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    unit_duration: timedelta | None = Field(default=None, sa_type=Interval)  # type: ignore[call-overload]
    staged_units: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    good: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    scrapped: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    reworked: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    wip_since: datetime | None = Field(default=None, sa_type=instant())


class ProductionComponent(Table, table=True):
    """What goes in: so many base units for one base unit of the order's item."""

    __tablename__ = "production_component"
    __table_args__ = (
        CheckConstraint("numerator > 0 and denominator > 0", name="ratio"),
        CheckConstraint("consumed >= 0", name="consumed"),
    )

    production_order: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("production_order.name")])
    line: int = Field(primary_key=True)
    item: str = Field(sa_type=Text, sa_column_args=[ForeignKey("item.name")], index=True)
    operation: int
    numerator: int = Field(sa_type=BigInteger)
    denominator: int = Field(sa_type=BigInteger)
    unit_code: str = Field(sa_type=Text)
    scrap_percent: Decimal = Field(sa_type=Numeric(9, 6))
    over_percent: Decimal = Field(sa_type=Numeric(20, 6))
    under_percent: Decimal = Field(sa_type=Numeric(9, 6))
    manual: bool
    required: Decimal = Field(sa_type=Numeric(20, 6))
    consumed: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)

    @property
    def component(self) -> "ProductionComponent":
        """Itself, as the contract nests it."""
        return self

    @property
    def per_unit(self) -> Fraction:
        """What one unit takes with what is lost on the way."""
        return backflush.needed(Fraction(self.numerator, self.denominator), self.scrap_percent)


class ProductionOutput(Table, table=True):
    """What comes beside: so many base units for one base unit of the order's item."""

    __tablename__ = "production_output"
    __table_args__ = (CheckConstraint("produced >= 0", name="produced"),)

    production_order: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("production_order.name")])
    line: int = Field(primary_key=True)
    item: str = Field(sa_type=Text, sa_column_args=[ForeignKey("item.name")])
    kind: OutputKind = Field(sa_type=enum_text(OutputKind))
    numerator: int = Field(sa_type=BigInteger)
    denominator: int = Field(sa_type=BigInteger)
    unit_code: str = Field(sa_type=Text)
    cost_percent: Decimal = Field(sa_type=Numeric(9, 6))
    unit_value: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    unit_value_currency_code: str = Field(default="", sa_type=Text, nullable=False)
    produced: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)

    @property
    def output(self) -> "ProductionOutput":
        """Itself, as the contract nests it."""
        return self

    @property
    def per_unit(self) -> Fraction:
        """What comes with one unit."""
        return Fraction(self.numerator, self.denominator)


class ProductionOrder(Resource, table=True):
    """So much of an item, to be made at a site.

    `consumed_value` is what was used, `output_value` what was made; their difference is in process, and the variance
    of a closed order. `carried_value` is the part of it that belongs to no component: scrap of components, or, below
    0, by-products worth more than what was used. `places` are those at the line where its components were staged.
    """

    __tablename__ = "production_order"
    COLLECTION: ClassVar[str] = "productionOrders"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (OrderState.PLANNED, OrderState.RELEASED),
            (OrderState.RELEASED, OrderState.STARTED),
            (OrderState.STARTED, OrderState.COMPLETED),
            (OrderState.COMPLETED, OrderState.CLOSED),
            (OrderState.COMPLETED, OrderState.STARTED),
            (OrderState.PLANNED, OrderState.CANCELLED),
            (OrderState.RELEASED, OrderState.CANCELLED),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset(
        {"item", "state", "asset", "due_time", "source_system", "external_id"}
    )
    __table_args__ = (
        Index(
            "uq_production_order_external_id", "site", "source_system", "external_id", unique=True,
            postgresql_where=text("external_id <> ''"),
        ),
        Index("ix_production_order_site", "site", "name"),
        *listed("production_order", "item", "state", "asset", "due_time", "source_system", "external_id"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("good >= 0 and scrapped >= 0 and reworked >= 0", name="units"),
    )  # fmt: skip

    number: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text, sa_column_args=[ForeignKey("item.name")])
    unit_code: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    structure_revision: str = Field(default="", sa_type=Text, nullable=False)
    cost_percent: Decimal = Field(default=Decimal(100), sa_type=Numeric(9, 6), nullable=False)
    source_system: str = Field(default="", sa_type=Text, nullable=False)
    external_id: str = Field(default="", sa_type=Text, nullable=False)
    line_location: str = Field(default="", sa_type=Text, nullable=False)
    output_location: str = Field(sa_type=Text)
    places: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    lot_rule: LotRule = Field(default=LotRule.ORDER, sa_type=enum_text(LotRule), nullable=False)
    asset: str = Field(default="", sa_type=Text, nullable=False)
    start_time: datetime | None = Field(default=None, sa_type=instant())
    due_time: datetime | None = Field(default=None, sa_type=instant())
    supply_request: str = Field(default="", sa_type=Text, nullable=False)
    state: OrderState = Field(default=OrderState.PLANNED, sa_type=enum_text(OrderState), nullable=False)
    good: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    scrapped: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    reworked: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    currency_code: str = Field(sa_type=Text)
    consumed_value: Decimal = Field(default=ZERO, sa_type=Numeric(24, 9), nullable=False)
    output_value: Decimal = Field(default=ZERO, sa_type=Numeric(24, 9), nullable=False)
    carried_value: Decimal = Field(default=ZERO, sa_type=Numeric(24, 9), nullable=False)
    variance_value: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    variance_movement: str = Field(default="", sa_type=Text, nullable=False)
    operations: list[ProductionOperation] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "ProductionOperation.operation"}
    )
    components: list[ProductionComponent] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "ProductionComponent.line"}
    )
    outputs: list[ProductionOutput] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "ProductionOutput.line"}
    )

    @property
    def last_operation(self) -> int:
        """The operation whose good units go to stock."""
        return max(row.operation for row in self.operations)

    @property
    def counts(self) -> dict[int, Count]:
        """Units reported so far."""
        return {row.operation: Count(row.good, row.scrapped) for row in self.operations}

    @property
    def locations(self) -> list[str]:
        """Places where something of the order may lie: at the line, and in process."""
        return sorted({*self.places, *(row.location for row in self.operations)})

    def working(self) -> "ProductionOrder":
        """TransitionNotAllowed unless it may be staged for, issued to and worked on."""
        if self.state not in OPEN:
            raise TransitionNotAllowed(
                resource=self.name, state=self.state, allowed=self.following, wanted=OrderState.STARTED
            )
        return self

    def start(self) -> None:
        """Something is used or made now."""
        if self.state is OrderState.RELEASED:
            self.move(OrderState.STARTED)
        self.touch()

    def in_process(self, operation: int) -> Decimal:
        """Units that components were brought for and that are neither done at the operation nor spoilt."""
        row = next(row for row in self.operations if row.operation == operation)
        return max(row.staged_units - backflush.passed(self.counts, operation), ZERO)

    def waiting(self, operation: int) -> Decimal:
        """Units that are good at the operation before and not done at this one."""
        before = [row.operation for row in self.operations if row.operation < operation]
        if not before:
            return ZERO
        done = backflush.passed(self.counts, operation)
        return max(backflush.alive(self.counts, max(before), ZERO) + self.spoilt_from(operation) - done, ZERO)

    def spoilt_from(self, operation: int) -> Decimal:
        """Units spoilt at an operation or behind it."""
        return sum((row.scrapped for row in self.operations if row.operation >= operation), ZERO)


async def at_assets(unit: Unit, site: str, assets: Iterable[str]) -> Sequence[ProductionOrder]:
    """Open orders of a site that work at some assets; one statement and their parts."""
    wanted = sorted({asset for asset in assets if asset})
    if not wanted:
        return []
    return await unit.all(
        select(ProductionOrder)
        .where(
            ProductionOrder.site == site,  # type: ignore[arg-type]
            ProductionOrder.state.in_(OPEN),  # type: ignore[attr-defined]
            ProductionOrder.name.in_(  # type: ignore[attr-defined]
                select(ProductionOperation.production_order).where(  # type: ignore[call-overload]
                    ProductionOperation.site == site,
                    ProductionOperation.asset.in_(wanted),  # type: ignore[attr-defined]
                )
            ),
        )
        .order_by(ProductionOrder.name)
    )


_LINES = text("""
    select pg_advisory_xact_lock(k.key) from (
      select distinct hashtextextended('materials.line.' || name, 0) as key from unnest(cast(:names as text[])) name
      order by 1) k
""")


async def hold_lines(unit: Unit, names: Iterable[str]) -> None:
    """Stage at a line one after the other, so that its limit holds (MAT-128); behind items and orders."""
    await unit.execute(_LINES, {"names": sorted(set(names))})
