"""Handling units: pallets, boxes and totes that form a forest, each in one place (MAT-20 .. MAT-24)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, Numeric, Text, text
from sqlmodel import Field

from services.chassis.faults import AlreadyExists, Cycle, FailedPrecondition, FieldInvalid
from services.chassis.resource import enum_text, instant
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.model.base import Resource, Table, listed
from services.materials.rules import gtin, units, weights

DEPTH = 10
"""Most units one inside the other, the outermost counted."""


class State(StrEnum):
    OPEN = "OPEN"
    CLOSED = "CLOSED"
    SHIPPED = "SHIPPED"
    POOLED = "POOLED"
    RETIRED = "RETIRED"


class HandlingUnitClosed(FailedPrecondition):
    """The content of a unit that is not open is frozen (MAT-22)."""

    text = "{handling_unit} is not open; nothing goes in or comes out."


class HandlingUnitElsewhere(FailedPrecondition):
    """What goes in or comes out has to be where the unit stands (MAT-20)."""

    text = "{handling_unit} does not stand at {location}."


class HandlingUnitNested(FailedPrecondition):
    """Part of a unit does not move with it: it is taken out first (MAT-21)."""

    text = "{handling_unit} is inside {outer}; take it out first."


class HandlingUnitNotEmpty(FailedPrecondition):
    """Only an empty unit goes out of use (MAT-22)."""

    text = "{handling_unit} still holds {content}."


class HandlingUnitGone(FailedPrecondition):
    """A unit that left, or is out of use for good, is not here."""

    text = "{handling_unit} is {state}; it is neither moved nor opened."


class NestingTooDeep(FailedPrecondition):
    """More units one inside the other than are allowed (MAT-20)."""

    text = "{handling_unit} in {outer} would be {depth} units deep; at most {limit} are allowed."


class TooHeavy(FailedPrecondition):
    """A unit weighs more than its type carries."""

    reason = "CAPACITY_EXCEEDED"
    text = "{handling_unit} weighs {weight} kg; its type carries {limit} kg."


class SsccExists(AlreadyExists):
    """An SSCC stands for one unit for ever, at whatever site it is (MAT-24)."""

    constraint = "uq_handling_unit_sscc_here"
    text = "The SSCC belongs to a handling unit already ({constraint})."


class NumberExists(AlreadyExists):
    """A number stands for one unit of a site."""

    reason = "HANDLING_UNIT_NUMBER_EXISTS"
    constraint = "uq_handling_unit_number"
    text = "The number belongs to a handling unit of the site already ({constraint})."


class HandlingUnitType(Resource, table=True):
    """A kind of pallet, box or tote with its own weight and limits."""

    __tablename__ = "handling_unit_type"
    COLLECTION: ClassVar[str] = "handlingUnitTypes"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"title", "grai"})
    __table_args__ = (Index("uq_handling_unit_type_grai", "grai", unique=True, postgresql_where=text("grai <> ''")),)

    title: str = Field(sa_type=Text)
    reusable: bool = Field(default=False, nullable=False)
    grai: str = Field(default="", sa_type=Text, nullable=False)
    tare_weight: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    tare_weight_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    max_weight: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    max_weight_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    max_volume: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    max_volume_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    outer_volume: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    outer_volume_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    unbreakable: bool = Field(default=False, nullable=False)

    def checked(self) -> "HandlingUnitType":
        """FieldInvalid for a weight that is no mass, a volume that is none, or a GRAI that is wrong."""
        for name, codes in (
            ("tare_weight", weights.MASSES),
            ("max_weight", weights.MASSES),
            ("max_volume", weights.VOLUMES),
            ("outer_volume", weights.VOLUMES),
        ):
            stated(f"handling_unit_type.{name}", getattr(self, name), getattr(self, f"{name}_unit_code"), codes)
        if self.grai and not self.reusable:
            rule = "belongs to a reusable type alone"
            raise FieldInvalid(field="handling_unit_type.grai", rule=rule, value=self.grai)
        if self.grai and not (len(self.grai) == 14 and self.grai[0] == "0" and gtin.valid(self.grai)):
            rule = "must be 0 and 13 digits of which the last is the check digit (AI 8003)"
            raise FieldInvalid(field="handling_unit_type.grai", rule=rule, value=self.grai)
        return self


def stated(field: str, value: Decimal | None, unit_code: str, codes: Iterable[str]) -> None:
    """FieldInvalid for a measure that is not more than 0 or in none of the units."""
    if value is None:
        return
    if unit_code not in codes:
        raise FieldInvalid(
            field=f"{field}.unit_code", rule=f"must be one of {', '.join(sorted(codes))}", value=unit_code
        )
    if value <= 0:
        raise FieldInvalid(field=f"{field}.value", rule="must be more than 0", value=value)


class HandlingUnit(Resource, table=True):
    """One pallet, box or tote. A root has a location, any other the unit that it is in."""

    __tablename__ = "handling_unit"
    COLLECTION: ClassVar[str] = "handlingUnits"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (State.OPEN, State.CLOSED),
            (State.CLOSED, State.OPEN),
            (State.CLOSED, State.SHIPPED),
            (State.SHIPPED, State.OPEN),
            (State.SHIPPED, State.CLOSED),
            (State.OPEN, State.POOLED),
            (State.OPEN, State.RETIRED),
            (State.POOLED, State.OPEN),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset(
        {"number", "sscc", "state", "handling_unit_type", "location", "parent_handling_unit"}
    )
    __table_args__ = (
        Index("uq_handling_unit_sscc_here", "sscc", unique=True, postgresql_where=text("state <> 'SHIPPED'")),
        Index("uq_handling_unit_sscc_site", "sscc", "site", unique=True),
        Index("uq_handling_unit_number", "site", "number", unique=True),
        Index("ix_handling_unit_site", "site", "name"),
        Index("ix_handling_unit_inside", "parent_handling_unit"),
        *listed("handling_unit", "state", "handling_unit_type", "location", "parent_handling_unit"),
        CheckConstraint("sscc ~ '^[0-9]{18}$'", name="sscc"),
        CheckConstraint(
            "num_nonnulls(location, parent_handling_unit) = case when state = 'SHIPPED' then 0 else 1 end",
            name="place",
        ),
    )

    number: str = Field(sa_type=Text)
    sscc: str = Field(sa_type=Text)
    handling_unit_type: str = Field(sa_type=Text, sa_column_args=[ForeignKey("handling_unit_type.name")])
    location: str | None = Field(
        default=None, sa_type=Text, sa_column_args=[ForeignKey("location.name")], nullable=True
    )
    parent_handling_unit: str | None = Field(
        default=None, sa_type=Text, sa_column_args=[ForeignKey("handling_unit.name")], nullable=True
    )
    state: State = Field(default=State.OPEN, sa_type=enum_text(State), nullable=False)
    gross_weight: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    gross_weight_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    ship_time: datetime | None = Field(default=None, sa_type=instant())
    transfer: str = Field(default="", sa_type=Text, nullable=False)
    origin_handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    unbroken: bool = Field(default=False, nullable=False)

    def weigh(self, weight: Decimal | None, unit_code: str, kind: HandlingUnitType) -> None:
        """State what it weighs with all that is inside; TooHeavy beyond what its type carries."""
        stated("gross_weight", weight, unit_code, weights.MASSES)
        self.gross_weight, self.gross_weight_unit_code = weight, unit_code if weight is not None else ""
        heavy = weights.kilograms(weight, unit_code)
        limit = weights.kilograms(kind.max_weight, kind.max_weight_unit_code)
        if heavy is not None and limit is not None and heavy > limit:
            raise TooHeavy(
                handling_unit=self.name, weight=canonical(units.decimal(heavy)), limit=canonical(units.decimal(limit))
            )  # fmt: skip

    def close(self) -> None:
        """Freeze the content."""
        self.move(State.CLOSED)

    def open(self) -> None:
        """Let things in and out again; what was weighed counts no more."""
        self.move(State.OPEN)
        self.gross_weight, self.gross_weight_unit_code, self.unbroken = None, "", False

    def put_into(self, outer: "HandlingUnit") -> None:
        """Into another unit."""
        self.location, self.parent_handling_unit = None, outer.name

    def put_at(self, location: str) -> None:
        """At a place, in no other unit."""
        self.location, self.parent_handling_unit = location, None

    def leave(self, at: datetime) -> None:
        """Out of the plant: it stands nowhere."""
        self.move(State.SHIPPED)
        self.location, self.parent_handling_unit, self.ship_time = None, None, at

    def come_back(self, location: str) -> None:
        """Empty, at a place; when it left stays known."""
        self.open()
        self.put_at(location)

    def retire(self, *, pooled: bool) -> None:
        """Out of use: for the next time, or for good."""
        self.move(State.POOLED if pooled else State.RETIRED)
        self.gross_weight, self.gross_weight_unit_code = None, ""


class SsccRange(Table, table=True):
    """The next serial reference of a company prefix and extension digit."""

    __tablename__ = "sscc_range"
    __table_args__ = (
        CheckConstraint("prefix ~ '^[0-9]{4,12}$'", name="prefix"),
        CheckConstraint("extension between 0 and 9", name="extension"),
        CheckConstraint("next between 1 and (10::numeric ^ (16 - length(prefix)))::bigint", name="next"),
    )

    prefix: str = Field(sa_type=Text, primary_key=True)
    extension: int = Field(sa_type=Integer, primary_key=True)
    next: int = Field(sa_type=BigInteger)


@dataclass(frozen=True, slots=True)
class Path:
    """Where a unit stands: itself and those around it, from the inside out."""

    name: str
    around: Sequence[str]
    states: Sequence[State]
    types: Sequence[str]
    place: str

    @property
    def root(self) -> str:
        """The outermost."""
        return self.around[-1]

    @property
    def shut(self) -> str:
        """The innermost that is not open; "" when all are."""
        return next((name for name, state in zip(self.around, self.states, strict=True) if state is not State.OPEN), "")

    def opened(self) -> "Path":
        """HandlingUnitClosed unless things may go in and out."""
        if self.shut:
            raise HandlingUnitClosed(handling_unit=self.shut)
        return self


_PATHS = text("""
    select n.name as start, p.* from unnest(cast(:names as text[])) n(name), handling_unit_path(n.name) p
    order by start, p.depth
""")
_HOLD = text("select hold_handling_units(cast(:names as text[]), :alone)")
_INSIDE = text("""
    with recursive down as (
      select name, 1 as depth from handling_unit where name = any(cast(:names as text[]))
      union all
      select h.name, d.depth + 1 from down d join handling_unit h on h.parent_handling_unit = d.name where d.depth < 50
    )
    select name, max(depth) as depth from down group by name order by name
""")


async def paths(unit: Unit, names: Iterable[str]) -> dict[str, Path]:
    """Where units stand, by name; unknown ones are missing. One statement."""
    found: dict[str, list[Any]] = {}
    wanted = sorted(set(names) - {""})
    for row in await unit.execute(_PATHS, {"names": wanted}) if wanted else ():
        found.setdefault(row.start, []).append(row)
    return {
        name: Path(
            name, [row.name for row in rows], [State(row.state) for row in rows],
            [row.handling_unit_type for row in rows], rows[-1].location or "",
        )
        for name, rows in found.items()
    }  # fmt: skip


async def hold(unit: Unit, names: Iterable[str], *, alone: bool = True) -> None:
    """Take the outermost units around others, in the order of names: alone for who changes them or the forest."""
    wanted = sorted(set(names) - {""})
    if wanted:
        await unit.execute(_HOLD, {"names": wanted, "alone": alone})


async def inside(unit: Unit, *names: str) -> dict[str, int]:
    """Units and all that are in them -> depth below the given ones, which have 1."""
    return {row.name: row.depth for row in await unit.execute(_INSIDE, {"names": list(names)})}


def nest(row: HandlingUnit, outer: HandlingUnit, path: Path, below: dict[str, int]) -> None:
    """Put a root with all that is in it into a unit that stands on the same place; `path` is that unit's way out."""
    if row.name in path.around:
        raise Cycle(path=" -> ".join([*path.around[: path.around.index(row.name) + 1], path.name]))
    if row.parent_handling_unit:
        raise HandlingUnitNested(handling_unit=row.name, outer=row.parent_handling_unit)
    if row.state not in (State.OPEN, State.CLOSED):
        raise HandlingUnitClosed(handling_unit=row.name)
    path.opened()
    if path.place != row.location:
        raise HandlingUnitElsewhere(handling_unit=outer.name, location=row.location or "the same place")
    depth = len(path.around) + max(below.values())
    if depth > DEPTH:
        raise NestingTooDeep(handling_unit=row.name, outer=outer.name, depth=depth, limit=DEPTH)
    row.put_into(outer)
