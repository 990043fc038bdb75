"""Decisions of policies: the revision, the inputs, what came out and why (MAT-89, MAT-162)."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import ARRAY, Index, Text, text
from sqlmodel import Field

from services.chassis.resource import instant
from services.chassis.unit import Unit
from services.materials.model.base import Table


class Decision(Table, table=True):
    """One evaluation; written in the transaction of its effect and never changed."""

    COLLECTION: ClassVar[str] = "decisions"
    __table_args__ = (Index("ix_decision_site", "site", "name"),)

    name: str = Field(primary_key=True, sa_type=Text)
    site: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    item: str = Field(default="", sa_type=Text, nullable=False)
    revision: str = Field(default="", sa_type=Text, nullable=False)
    inputs: str = Field(sa_type=Text)
    outcome: str = Field(sa_type=Text)
    explanation: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    create_time: datetime = Field(sa_type=instant())


PART = 5000
_PURGE = text("""
    delete from decision d
    using (select name from decision where site = :site order by name limit :part) o
    where d.name = o.name and d.create_time < now() - make_interval(days => :days)
""")


async def purge(unit: Unit, site: str, days: int) -> int:
    """Delete a part of the decisions of a site that are older, the oldest first; gives how many it were."""
    found = await unit.execute(_PURGE, {"site": site, "days": days, "part": PART})
    return int(found.rowcount)  # type: ignore[attr-defined]
