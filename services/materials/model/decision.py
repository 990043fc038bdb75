"""Decisions of policies: the revision, the inputs, what came out and why, kept for good (MAT-89, MAT-162)."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import ARRAY, Index, Text
from sqlmodel import Field

from services.chassis.resource import instant
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
