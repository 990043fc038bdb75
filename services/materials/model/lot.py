"""Lots and serials: what was made together, and each single unit (MAT-11 .. MAT-16)."""

from datetime import date, datetime
from typing import ClassVar

from sqlalchemy import ForeignKey, Index, Text
from sqlmodel import Field

from services.chassis.faults import AlreadyExists
from services.chassis.resource import instant
from services.materials.model.base import Resource


class LotDateConflict(AlreadyExists):
    """The dates of a lot belong to the lot; a receipt does not change them (MAT-13)."""

    text = "{lot} expires on {expire_date}, not on {given}."


class Lot(Resource, table=True):
    """A quantity of one item made or received together."""

    COLLECTION: ClassVar[str] = "lots"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"number", "supplier", "expire_date"})
    __table_args__ = (
        Index("uq_lot_number", "item", "number", unique=True),
        Index("ix_lot_number", "number", "name"),
        Index("ix_lot_supplier", "supplier", "name"),
        Index("ix_lot_expire_date", "expire_date", "name"),
    )

    number: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text, sa_column_args=[ForeignKey("item.name")])
    supplier: str = Field(default="", sa_type=Text, nullable=False)
    supplier_lot: str = Field(default="", sa_type=Text, nullable=False)
    expire_date: date | None = None
    first_receipt_time: datetime | None = Field(default=None, sa_type=instant())


class Serial(Resource, table=True):
    """One single unit of an item for life; `balance` is where it is, `left_by` the movement by which it left (MAT-16).

    Both are written by the posting function alone.
    """

    COLLECTION: ClassVar[str] = "serials"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"number", "lot"})
    __table_args__ = (
        Index("uq_serial_number", "item", "number", unique=True),
        Index("ix_serial_number", "number", "name"),
        Index("ix_serial_lot", "lot", "name"),
    )

    number: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text, sa_column_args=[ForeignKey("item.name")])
    lot: str = Field(default="", sa_type=Text, nullable=False)
    balance: str = Field(default="", sa_type=Text, nullable=False)
    left_by: str = Field(default="", sa_type=Text, nullable=False)
