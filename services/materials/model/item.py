"""Items, and the site's facts that others own (MAT-8 .. MAT-10)."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from google.protobuf.message import Message
from plantops.materials.v1.events_pb2 import ItemChanged
from sqlalchemy import Index, Numeric, Text, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from services.chassis.faults import FieldInvalid, QuantityNotOnGrid, UnitIncompatible
from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.chassis.wire import canonical, fill
from services.materials.model.base import Resource, Table
from services.materials.rules import gtin, units

ONE = Decimal(1)


class Tracking(StrEnum):
    NONE = "NONE"
    LOT = "LOT"
    SERIAL = "SERIAL"
    LOT_AND_SERIAL = "LOT_AND_SERIAL"

    @property
    def by_lot(self) -> bool:
        """Whether stock is told apart by lot."""
        return self in (Tracking.LOT, Tracking.LOT_AND_SERIAL)

    @property
    def by_serial(self) -> bool:
        """Whether each unit is told apart."""
        return self in (Tracking.SERIAL, Tracking.LOT_AND_SERIAL)


class State(StrEnum):
    ACTIVE = "ACTIVE"
    BLOCKED = "BLOCKED"
    SUPERSEDED = "SUPERSEDED"


class Item(Resource, table=True):
    """A material with its base unit."""

    COLLECTION: ClassVar[str] = "items"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {(State.ACTIVE, State.BLOCKED), (State.BLOCKED, State.ACTIVE), (State.ACTIVE, State.SUPERSEDED)}
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"number", "item_class", "state", "gtins", "title"})
    __table_args__ = (
        Index("uq_item_number", "number", unique=True),
        Index("ix_item_gtins", "gtins", postgresql_using="gin"),
        Index("ix_item_item_class", "item_class", "name"),
        Index("ix_item_state", "state", "name"),
    )

    number: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    item_class: str = Field(default="", sa_type=Text, nullable=False)
    base_unit_code: str = Field(sa_type=Text)
    base_step: Decimal = Field(default=ONE, sa_type=Numeric(20, 6), nullable=False)
    tracking: Tracking = Field(sa_type=enum_text(Tracking))
    conversions: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    gtins: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    inspect_receipts: bool = Field(default=False, nullable=False)
    standard_cost: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    standard_cost_currency_code: str = Field(default="", sa_type=Text, nullable=False)
    state: State = Field(default=State.ACTIVE, sa_type=enum_text(State), nullable=False)

    def checked(self) -> "Item":
        """FieldInvalid for a wrong GTIN, step or conversion."""
        self.base_step = self.base_step or ONE
        if self.base_step <= 0:
            raise FieldInvalid(field="item.base_step", rule="must be more than 0", value=self.base_step)
        for index, code in enumerate(self.gtins):
            if not gtin.valid(code):
                raise FieldInvalid(field=f"item.gtins[{index}]", rule="must be a GTIN with its check digit", value=code)
        self.gtins = [code.zfill(14) for code in self.gtins]
        if len(set(self.gtins)) != len(self.gtins):
            raise FieldInvalid(field="item.gtins", rule="names each GTIN once", value=self.gtins)
        if self.standard_cost is not None and self.standard_cost < 0:
            rule = "must not be negative"
            raise FieldInvalid(field="item.standard_cost", rule=rule, value=self.standard_cost)
        codes = [row["unit_code"] for row in self.conversions]
        if len(set(codes)) != len(codes) or self.base_unit_code in codes:
            raise FieldInvalid(field="item.conversions", rule="names each unit once and not the base unit")
        return self

    def base(self, quantity: Decimal, unit_code: str, field: str) -> Decimal:
        """Quantity in the base unit; UnitIncompatible or QuantityNotOnGrid instead of a guess."""
        try:
            return units.to_base(quantity, unit_code, self.base_unit_code, self.factors(), self.base_step)
        except units.NoConversion:
            raise UnitIncompatible(item=self.name, from_unit=unit_code, to_unit=self.base_unit_code) from None
        except units.OffGrid:
            grid = f"{canonical(self.base_step)} {self.base_unit_code}"
            raise QuantityNotOnGrid(field=field, value=f"{canonical(quantity)} {unit_code}", grid=grid) from None

    def factors(self) -> dict[str, Fraction]:
        """Alternate unit -> base units."""
        return {row["unit_code"]: Fraction(int(row["numerator"]), int(row["denominator"])) for row in self.conversions}

    def standard(self, currency_code: str) -> Decimal | None:
        """Standard cost of one base unit in a currency; None without one."""
        return self.standard_cost if self.standard_cost_currency_code == currency_code else None

    def told(self) -> Message:
        """All that others need to know."""
        message = fill(ItemChanged(), self)
        message.item = self.name
        return self.event(message)


class SiteFact(Table, table=True):
    """What materials needs to know of a site; maintenance is its home."""

    __tablename__ = "site_fact"

    name: str = Field(sa_type=Text, primary_key=True)
    time_zone: str = Field(sa_type=Text)
    currency_code: str = Field(sa_type=Text)

    def day(self, at: datetime) -> date:
        """The plant's day of an instant."""
        return at.astimezone(ZoneInfo(self.time_zone)).date()


async def site_fact(unit: Unit, site: str) -> SiteFact:
    """A site's zone and currency; FieldInvalid for one that is not known here."""
    fact: SiteFact | None = await unit.first(select(SiteFact).where(SiteFact.name == f"sites/{site}"))  # type: ignore[arg-type]
    if fact is None:
        raise FieldInvalid(field="parent", rule="must be a site that is known here", value=f"sites/{site}")
    return fact
