"""What materials needs to know of suppliers; procurement is their home."""

from sqlalchemy import Text, select
from sqlmodel import Field

from services.chassis.unit import Unit
from services.materials.model.base import Table

SUSPENDED = "SUSPENDED"


class SupplierFact(Table, table=True):
    """A supplier's state."""

    __tablename__ = "supplier_fact"

    name: str = Field(sa_type=Text, primary_key=True)
    state: str = Field(sa_type=Text)


async def suspended(unit: Unit, supplier: str) -> bool:
    """Whether goods of a supplier are looked at before they are used (MAT-98)."""
    columns: type[SupplierFact] = SupplierFact
    state = await unit.first(select(columns.state).where(columns.name == supplier))  # type: ignore[call-overload]
    return bool(state == SUSPENDED)
