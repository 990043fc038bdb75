"""Where a lot came from: edges that are written with the movement and never changed (MAT-135)."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Numeric, Text, select
from sqlmodel import Field

from services.chassis.resource import instant
from services.chassis.unit import Unit
from services.materials.model.base import Table
from services.materials.model.movement import Movement


class GenealogyEdge(Table, table=True):
    """So much of a lot went into another one; of items without lots a serial stands in its place.

    `certain` is false where other lots lay there too and nobody scanned which one was used: it possibly went in.
    The movement is the one by which the other came to be; an edge of a reversed movement counts no more.
    """

    __tablename__ = "genealogy_edge"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)

    movement: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("movement.name")])
    input_lot: str = Field(sa_type=Text, primary_key=True, index=True)
    output_lot: str = Field(sa_type=Text, primary_key=True, index=True)
    item: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    effective_time: datetime = Field(sa_type=instant())
    certain: bool
    operation: int = Field(default=0, nullable=False)
    handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    production_order: str = Field(default="", sa_type=Text, nullable=False)


async def sources(unit: Unit, lot: str) -> list[str]:
    """Lots that a lot was merged from, by movements that nobody reversed; in the order of their names."""
    reversal = select(Movement.name).where(  # type: ignore[call-overload]
        Movement.reverses == GenealogyEdge.movement, Movement.reverses != ""
    )
    rows = await unit.all(
        select(GenealogyEdge.input_lot)  # type: ignore[call-overload]
        .where(GenealogyEdge.output_lot == lot, ~reversal.exists())
        .order_by(GenealogyEdge.input_lot)
    )
    return list(rows)
