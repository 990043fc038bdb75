"""Lots and serials: what was made together, and each single unit (MAT-11 .. MAT-16)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar

from plantops.materials.v1.events_pb2 import LotDatesChanged
from sqlalchemy import ForeignKey, Index, Text, or_, select, text
from sqlmodel import Field, Relationship

from services.chassis.faults import AlreadyExists, FieldInvalid
from services.chassis.query import among
from services.chassis.resource import instant
from services.chassis.unit import Unit
from services.chassis.wire import canonical, fill
from services.materials.model.base import Resource
from services.materials.model.item import Item
from services.materials.model.movement import Balance, Status
from services.materials.model.options import options
from services.materials.rules import lot_numbers
from services.materials.rules.lots import Dates


class LotDateConflict(AlreadyExists):
    """The dates of a lot belong to the lot; a receipt does not change them (MAT-13)."""

    text = "{lot} has {known} as its {field}, not {given}."


class SerialNumberTaken(AlreadyExists):
    """Where the enterprise says so, a serial number is given once over all items (MAT-15)."""

    text = "Serial number {number} belongs to {serial} already."


def possible(dates: Dates, parent: str = "") -> None:
    """FieldInvalid for dates that cannot be together."""
    if dates.fault:
        rule = f"must not be before manufacture_date {dates.manufacture_date}"
        raise FieldInvalid(field=f"{parent}{dates.fault}", rule=rule, value=getattr(dates, dates.fault))


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
    manufacture_date: date | None = None
    best_before_date: date | None = None

    @property
    def dates(self) -> Dates:
        """Its dates."""
        return Dates(self.manufacture_date, self.best_before_date, self.expire_date)

    def dated(self, dates: Dates, parent: str = "") -> "Lot":
        """With these dates; FieldInvalid for some that cannot be together."""
        possible(dates, parent)
        self.manufacture_date, self.best_before_date = dates.manufacture_date, dates.best_before_date
        self.expire_date = dates.expire_date
        return self

    def told(self, reason: str) -> LotDatesChanged:
        """Its dates are others now."""
        message = fill(LotDatesChanged(), self)
        message.lot, message.reason = self.name, reason
        return self.event(message)


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
    stock: Balance | None = Relationship(
        sa_relationship_kwargs={
            "primaryjoin": "foreign(Serial.balance) == Balance.name", "lazy": "selectin", "viewonly": True,
            "uselist": False,
        }
    )  # fmt: skip

    @property
    def here(self) -> Balance | None:
        """The stock that it is; None for one that is not in stock, and a new one has never been."""
        found: Balance | None = self.__dict__.get("stock")
        return found

    @property
    def location(self) -> str:
        """Place where it is."""
        return self.here.location if self.here is not None else ""

    @property
    def handling_unit(self) -> str:
        """Handling unit in which it is."""
        return self.here.handling_unit if self.here is not None else ""

    @property
    def status(self) -> Status | None:
        """Status in which it is."""
        return self.here.status if self.here is not None else None


def named(item: Item, serials: Sequence[str], amount: Decimal, field: str) -> list[str]:
    """Serials of a quantity in the order of their names: one for each unit where the item is tracked so, else none."""
    if not item.tracking.by_serial:
        if serials:
            raise FieldInvalid(field=field, rule="must be empty: the item is not tracked by serial", value=serials)
        return []
    if len(set(serials)) != len(serials):
        raise FieldInvalid(field=field, rule="names each serial once", value=serials)
    if len(serials) != amount:
        rule = f"is required for each unit, the item being tracked by serial: {canonical(amount)}, not {len(serials)}"
        raise FieldInvalid(field=field, rule=rule, value=serials)
    if len(serials) > 1 and item.catch is not None:
        raise FieldInvalid(field=field, rule="are moved one by one: each has a second quantity", value=serials)
    return sorted(serials)


_NUMBERS = text("""
    select pg_advisory_xact_lock(n.key) from (
      select distinct hashtextextended('materials.serial.' || number, 0) as key
      from unnest(cast(:numbers as text[])) number order by 1) n
""")


async def lock_numbers(unit: Unit, numbers: Iterable[str]) -> None:
    """Where serial numbers are unique over all items, whoever makes one waits for the others who do."""
    if options(unit).unique_serials:
        await unit.execute(_NUMBERS, {"numbers": sorted({lot_numbers.normal(number) for number in numbers})})


@dataclass(slots=True)
class Register:
    """Serials of some numbers, read with one statement, and those made on the way."""

    unit: Unit
    alone: bool
    known: dict[str, list[Serial]]

    @classmethod
    async def of(cls, unit: Unit, items: Iterable[str], numbers: Iterable[str]) -> "Register":
        """Those of the items; where numbers are unique over all items, whoever makes one waits for the others."""
        wanted = sorted({lot_numbers.normal(number) for number in numbers})
        alone = options(unit).unique_serials
        known: dict[str, list[Serial]] = {}
        if wanted:
            await lock_numbers(unit, wanted)
            mine = among(Serial.item, items)
            for row in await unit.all(
                select(Serial)
                .where(among(Serial.number, wanted), or_(alone, mine))  # type: ignore[arg-type]
                .order_by(Serial.name)
            ):
                known.setdefault(row.number, []).append(row)
        return cls(unit, alone, known)

    def find(self, item: str, number: str) -> Serial | None:
        """The serial of an item."""
        return next((row for row in self.known.get(lot_numbers.normal(number), []) if row.item == item), None)

    def free(self, item: str, number: str) -> None:
        """SerialNumberTaken when another item has the number and the enterprise wants it once."""
        other = next((row for row in self.known.get(lot_numbers.normal(number), []) if row.item != item), None)
        if self.alone and other is not None:
            raise SerialNumberTaken(number=other.number, serial=other.name)

    def make(self, item: str, number: str, lot: str, serial_id: str = "") -> Serial:
        """A new serial."""
        self.free(item, number)
        row = Serial(
            name=self.unit.new_name(item, Serial.COLLECTION, serial_id), item=item, lot=lot,
            number=lot_numbers.normal(number),
        )  # fmt: skip
        self.known.setdefault(row.number, []).append(self.unit.add(row))
        return row
