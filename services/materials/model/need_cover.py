"""What covered each demand when it was needed, noted at that moment, for the figures (section 7)."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Numeric, Text, text
from sqlmodel import Field

from services.chassis.resource import instant
from services.chassis.unit import Unit
from services.materials.model.base import Table


class NeedCover(Table, table=True):
    """How much of a reservation was needed at its need time, and how much of it stock covered; base units."""

    __tablename__ = "need_cover"
    __table_args__ = (CheckConstraint("covered >= 0 and covered <= needed", name="parts"),)

    reservation: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("reservation.name")])
    need_time: datetime = Field(sa_type=instant(), primary_key=True)
    needed: Decimal = Field(sa_type=Numeric(20, 6))
    covered: Decimal = Field(sa_type=Numeric(20, 6))


_NOTE = text("""
    insert into need_cover (reservation, need_time, needed, covered)
    select r.name, r.need_time, r.requested - r.released, r.issued + r.allocated + r.substituted
    from reservation r
    where r.site = any(select substr(name, 7) from site_fact) and r.need_time <= now()
      and r.need_time > now() - interval '1 hour' and r.create_time <= r.need_time and r.released < r.requested
      and r.substitutes = ''
      and not exists (select from need_cover c where c.reservation = r.name and c.need_time = r.need_time)
    on conflict do nothing
""")


async def note(unit: Unit) -> None:
    """Note what covers the demands whose time has come; one that is seen an hour too late stays unknown."""
    await unit.execute(_NOTE)
