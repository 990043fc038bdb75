"""Items with their units, and the site's facts that others own (MAT-3 .. MAT-10)."""

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

from services.chassis.faults import FieldInvalid, QuantityNotOnGrid, UnitIncompatible, UnitUnknown
from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of, fill
from services.materials.model.base import Resource, Table
from services.materials.model.ledger import Entered
from services.materials.rules import gtin, unit_codes, units
from services.materials.rules.catch_weight import CatchWeight
from services.materials.rules.units import Rounding

ONE = Decimal(1)
LARGEST = Decimal(10) ** 14
"""Quantities in the base unit are less."""
_SAME = Fraction(1)


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
    rounding: Rounding = Field(default=Rounding.HALF_EVEN, sa_type=enum_text(Rounding), nullable=False)
    catch_weight: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))  # type: ignore[call-overload]
    alternates: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    lot_merge_allowed: bool = Field(default=True, nullable=False)
    shelf_life_days: int = Field(default=0, nullable=False)
    minimum_remaining_life_days: int = Field(default=0, nullable=False)
    superseded_by: str = Field(default="", sa_type=Text, nullable=False)
    gross_weight: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    gross_weight_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    volume: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    volume_unit_code: str = Field(default="", sa_type=Text, nullable=False)

    def checked(self) -> "Item":
        """FieldInvalid for a wrong GTIN, cost or alternate; units are judged by `measured`."""
        self.base_step = self.base_step or ONE
        self.rounding = self.rounding if self.rounding in tuple(Rounding) else Rounding.HALF_EVEN
        self.lot_merge_allowed = self.lot_merge_allowed is not False
        for index, code in enumerate(self.gtins):
            if not gtin.valid(code):
                raise FieldInvalid(field=f"item.gtins[{index}]", rule="must be a GTIN with its check digit", value=code)
        self.gtins = [code.zfill(14) for code in self.gtins]
        if len(set(self.gtins)) != len(self.gtins):
            raise FieldInvalid(field="item.gtins", rule="names each GTIN once", value=self.gtins)
        if self.standard_cost is not None and self.standard_cost < 0:
            rule = "must not be negative"
            raise FieldInvalid(field="item.standard_cost", rule=rule, value=self.standard_cost)
        for field, value, unit_code, only in (
            ("gross_weight", self.gross_weight, self.gross_weight_unit_code, "KGM"),
            ("volume", self.volume, self.volume_unit_code, "LTR"),
        ):
            if value is not None and (value < 0 or unit_code != only):
                rule = f"must be in {only} and not negative"
                raise FieldInvalid(field=f"item.{field}", rule=rule, value=f"{value} {unit_code}")
        return self

    def measured(self) -> "Item":
        """UnitUnknown or FieldInvalid for units, grid, packs, tracking or catch weight that do not fit each other."""
        if unit_codes.unit(self.base_unit_code) is None:
            raise UnitUnknown(unit_code=self.base_unit_code).at("item.base_unit_code")
        if self.base_step <= 0:
            raise FieldInvalid(field="item.base_step", rule="must be more than 0", value=self.base_step)
        if self.base_step % 1 and 1 % self.base_step:
            rule = "must be a whole number or a part that goes into 1"
            raise FieldInvalid(field="item.base_step", rule=rule, value=self.base_step)
        codes = [row["unit_code"] for row in self.conversions]
        if len(set(codes)) != len(codes) or self.base_unit_code in codes:
            raise FieldInvalid(field="item.conversions", rule="names each unit once and not the base unit")
        wrong = units.contradiction(self.base_unit_code, self.factors())
        if wrong is not None:
            rule = f"1 {wrong[0]} is {wrong[1]} {self.base_unit_code} by its definition or another factor"
            raise FieldInvalid(field=f"item.conversions[{codes.index(wrong[0])}]", rule=rule)
        names = [row["pack_name"] for row in self.conversions if row.get("pack_name")]
        for index, row in enumerate(self.conversions):
            name = row.get("pack_name", "")
            if names.count(name) > 1 or units.looks_like_code(name) or name != name.strip():
                rule = "must be another name than those of other packs, and not look like a unit code"
                raise FieldInvalid(field=f"item.conversions[{index}].pack_name", rule=rule, value=name)
        if self.tracking.by_serial and not (unit_codes.discrete(self.base_unit_code) and self.base_step == ONE):
            rule = "by serial needs a base unit that counts, in steps of 1"
            raise FieldInvalid(field="item.tracking", rule=rule, value=self.tracking)
        if (catch := self.catch) is not None and (broken := catch.broken(self.base_unit_code)):
            raise FieldInvalid(field=f"item.catch_weight.{broken[0]}", rule=broken[1])
        return self

    @property
    def kept_in(self) -> dict[str, Any]:
        """What stock is kept in, field by field: it does not change once there is any (MAT-10)."""
        catch = self.catch
        return {
            "base_unit_code": self.base_unit_code, "base_step": self.base_step, "tracking": self.tracking,
            "catch_weight": catch and (catch.unit_code, catch.step),
        }  # fmt: skip

    @property
    def catch(self) -> CatchWeight | None:
        """The second quantity that is kept of it."""
        return CatchWeight.of(self.catch_weight) if self.catch_weight is not None else None

    def stated(self, given: Any, field: str) -> tuple[Decimal, Entered]:
        """A Quantity in the base unit, and as it was stated (MAT-2, MAT-3).

        UnitUnknown, UnitIncompatible, QuantityNotOnGrid or FieldInvalid instead of a guess.
        """
        field = f"{field}.value"
        quantity, code = decimal_of(given.value, field), given.unit_code
        factor = self.factor(code)
        return self._settled(quantity, code, field), Entered(quantity, code, factor.numerator, factor.denominator)

    def base(self, quantity: Decimal, unit_code: str, field: str) -> Decimal:
        """Quantity in the base unit, rounded once where it is measured and refused off the grid where it is counted."""
        self.factor(unit_code)
        return self._settled(quantity, unit_code, field)

    def _settled(self, quantity: Decimal, unit_code: str, field: str) -> Decimal:
        base_unit = self.base_unit_code
        factors = {} if unit_code == base_unit else self.factors()
        try:
            amount = units.to_base(quantity, unit_code, base_unit, factors, self.base_step, self.rounding)
        except units.OffGrid:
            raise self._off_grid(quantity, unit_code, field) from None
        return self._bounded(amount, field)

    def exactly(self, quantity: Decimal, field: str) -> Decimal:
        """A quantity in the base unit that has to be on the grid."""
        if quantity % self.base_step:
            raise self._off_grid(quantity, self.base_unit_code, field)
        return quantity

    def demanded(self, quantity: Decimal, unit_code: str, field: str) -> Decimal:
        """Quantity in the base unit that covers a demand: up to the grid (MAT-5)."""
        return self._bounded(units.up(Fraction(quantity) * self.factor(unit_code), self.base_step), field)

    def factor(self, unit_code: str) -> Fraction:
        """Base units per unit; UnitUnknown or UnitIncompatible without one."""
        if unit_code == self.base_unit_code:
            return _SAME
        try:
            return units.factor(unit_code, self.base_unit_code, self.factors())
        except units.UnknownUnit:
            raise UnitUnknown(unit_code=unit_code) from None
        except units.NoConversion:
            raise UnitIncompatible(item=self.name, from_unit=unit_code, to_unit=self.base_unit_code) from None

    def _off_grid(self, quantity: Decimal, unit_code: str, field: str) -> QuantityNotOnGrid:
        grid = f"{canonical(self.base_step)} {self.base_unit_code}"
        return QuantityNotOnGrid(field=field, value=f"{canonical(quantity)} {unit_code}", grid=grid)

    def _bounded(self, amount: Decimal, field: str) -> Decimal:
        if abs(amount) >= LARGEST:
            rule = f"must be less than {canonical(LARGEST)} {self.base_unit_code}"
            raise FieldInvalid(field=field, rule=rule, value=amount)
        return amount

    def unit_named(self, word: str, field: str) -> str:
        """The code of a unit or of one of its packs (MAT-8); UnitUnknown for another word."""
        for row in self.conversions:
            if word in (row["unit_code"], row.get("pack_name")):
                return str(row["unit_code"])
        if not units.looks_like_code(word):
            raise UnitUnknown(unit_code=word).at(field)
        return word

    def factors(self) -> dict[str, Fraction]:
        """Alternate unit -> base units."""
        return {row["unit_code"]: Fraction(int(row["numerator"]), int(row["denominator"])) for row in self.conversions}

    def standard(self, currency_code: str) -> Decimal | None:
        """Standard cost of one base unit in a currency; None without one."""
        return self.standard_cost if self.standard_cost_currency_code == currency_code else None

    def supersede(self, other: "Item") -> None:
        """Used no more where the other can be had; FieldInvalid for one that is not in use."""
        if other.name == self.name or other.state is not State.ACTIVE:
            raise FieldInvalid(field="superseded_by", rule="must be another item that is in use", value=other.name)
        self.move(State.SUPERSEDED)
        self.superseded_by = other.name

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


async def site_fact(unit: Unit, site: str, *, field: str = "parent") -> SiteFact:
    """A site's zone and currency; FieldInvalid for one that is not known here."""
    fact: SiteFact | None = await unit.first(select(SiteFact).where(SiteFact.name == f"sites/{site}"))  # type: ignore[arg-type]
    if fact is None:
        raise FieldInvalid(field=field, rule="must be a site that is known here", value=f"sites/{site}")
    return fact
