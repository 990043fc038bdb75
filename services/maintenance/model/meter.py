"""Meters and their readings; what looks wrong is kept in quarantine, nothing is thrown away (MNT-40 .. MNT-50)."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from google.protobuf.message import Message
from plantops.maintenance.v1.events_pb2 import MeterRead
from sqlalchemy import ARRAY, ForeignKey, Index, Numeric, Text, func, select
from sqlalchemy.orm import aliased
from sqlmodel import Field

from services.chassis.faults import FieldInvalid, SegregationOfDuties, TimeInFuture
from services.chassis.resource import enum_text, instant
from services.chassis.unit import Unit
from services.chassis.wire import fill
from services.maintenance.model.base import Resource
from services.maintenance.rules import usage as rule

FUTURE = timedelta(minutes=5)


class Meter(Resource, table=True):
    """A counter of use."""

    COLLECTION: ClassVar[str] = "meters"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"title"})

    asset: str = Field(sa_type=Text, sa_column_args=[ForeignKey("asset.name")], index=True)
    title: str = Field(sa_type=Text)
    unit_code: str = Field(sa_type=Text)
    rollover: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    max_rate: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    tolerance: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    initial_value: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    usage: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 6), nullable=False)
    last_value: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    last_measure_time: datetime | None = Field(default=None, sa_type=instant())

    @property
    def kind(self) -> rule.Meter:
        """What the counter can do, for the rules."""
        return rule.Meter(self.initial_value or Decimal(0), self.rollover, self.max_rate, self.tolerance or Decimal(0))


class State(StrEnum):
    ACCEPTED = "ACCEPTED"
    QUARANTINED = "QUARANTINED"
    SUPERSEDED = "SUPERSEDED"
    DISCARDED = "DISCARDED"


PAIRS = frozenset(
    {
        (State.ACCEPTED, State.SUPERSEDED),
        (State.QUARANTINED, State.ACCEPTED),
        (State.QUARANTINED, State.DISCARDED),
    }
)


class Reading(Resource, table=True):
    """What a meter showed at an instant."""

    COLLECTION: ClassVar[str] = "readings"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = PAIRS
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"state", "measure_time", "person"})
    __table_args__ = (Index("ix_reading_meter", "meter", "measure_time"),)

    meter: str = Field(sa_type=Text, sa_column_args=[ForeignKey("meter.name")])
    raw_value: Decimal = Field(sa_type=Numeric(20, 6))
    measure_time: datetime = Field(sa_type=instant())
    record_time: datetime = Field(sa_type=instant())
    source: str = Field(default="", sa_type=Text, nullable=False)
    person: str = Field(sa_type=Text)
    delta: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 6), nullable=False)
    usage: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 6), nullable=False)
    state: State = Field(default=State.ACCEPTED, sa_type=enum_text(State), nullable=False)
    reason: str = Field(default="", sa_type=Text, nullable=False)
    work_orders: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]

    @property
    def shown(self) -> rule.Shown:
        """Value and instant, for the rules."""
        return rule.Shown(self.raw_value, self.measure_time)

    def told(self, meter: Meter) -> Message:
        """The accepted reading as a fact."""
        message = fill(MeterRead(), self)
        message.reading, message.meter, message.asset = self.name, meter.name, meter.asset
        message.unit_code = meter.unit_code
        return self.event(message)

    def discard(self, reason: str) -> "Reading":
        """Leave it out for good."""
        self.move(State.DISCARDED)
        self.reason = reason
        return self

    def release(self, by: str, reason: str) -> "Reading":
        """Accept it as another person than who read it (MNT-50)."""
        if by == self.person:
            raise SegregationOfDuties(duty="reading a meter and releasing the reading", earlier_act=self.person)
        self.move(State.ACCEPTED)
        self.reason = reason
        return self


def _place(reading: Reading) -> tuple[datetime, str]:
    return reading.measure_time, reading.name


class Log:
    """Accepted readings of a meter from an instant on, with the one before: what a reading is judged against."""

    def __init__(self, meter: Meter, rows: Iterable[Reading] = ()) -> None:
        self.meter = meter
        self.rows = sorted(rows, key=_place)

    def put(self, reading: Reading) -> None:
        """Count a reading, or keep it in quarantine where it or what follows it would not be plausible (MNT-45, 46).

        A late one is put in its place and the following are recomputed, so that any order of arrival gives the
        same usage (MNT-48).
        """
        index = bisect_right(self.rows, _place(reading), key=_place)
        found = rule.step(self.meter.kind, self.rows[index - 1].shown if index else None, reading.shown)
        doubt = found.doubt
        if not doubt and index < len(self.rows):
            after = self.rows[index]
            following = rule.step(self.meter.kind, reading.shown, after.shown).doubt
            doubt = following and f"with it the later reading {after.name} would not be plausible: {following}"
        if doubt:
            reading.state, reading.reason, reading.delta = State.QUARANTINED, doubt, found.delta
        else:
            self.accept(reading)

    def accept(self, reading: Reading) -> None:
        """Count a reading whatever it shows, and recompute what follows it."""
        index = bisect_right(self.rows, _place(reading), key=_place)
        self.rows.insert(index, reading)
        before = self.rows[index - 1] if index else None
        total = before.usage if before is not None else Decimal(0)
        for row in self.rows[index:]:
            delta = rule.step(self.meter.kind, before.shown if before is not None else None, row.shown).delta
            total += delta
            if (row.delta, row.usage) != (delta, total):
                row.delta, row.usage = delta, total
            before = row
        newest = self.rows[-1]
        self.meter.usage = newest.usage
        self.meter.last_value, self.meter.last_measure_time = newest.raw_value, newest.measure_time


async def logs(unit: Unit, found: Mapping[str, Meter], since: datetime) -> dict[str, Log]:
    """The logs of meters from an instant on, in one statement for all of them (MNT-42)."""
    earlier = aliased(Reading)
    before = (
        select(func.max(earlier.measure_time))
        .where(
            earlier.meter == Reading.meter,  # type: ignore[arg-type]
            earlier.state == State.ACCEPTED,  # type: ignore[arg-type]
            earlier.measure_time < since,  # type: ignore[arg-type]
        )
        .correlate(Reading)
        .scalar_subquery()
    )
    rows: dict[str, list[Reading]] = {name: [] for name in found}
    for row in await unit.all(
        select(Reading).where(
            Reading.meter.in_(sorted(found)),  # type: ignore[attr-defined]
            Reading.state == State.ACCEPTED,  # type: ignore[arg-type]
            Reading.measure_time >= func.coalesce(before, since),  # type: ignore[arg-type]
        )
    ):
        rows[row.meter].append(row)
    return {name: Log(meter, rows[name]) for name, meter in found.items()}


def take(unit: Unit, meter: Meter, value: Decimal, at: datetime | None, source: str) -> Reading:
    """A reading as it came, neither judged nor stored yet; TimeInFuture beyond the allowance, FieldInvalid below 0."""
    if value < 0:
        raise FieldInvalid(field="raw_value.value", rule="must not be negative", value=value)
    if at is not None and at > unit.now + FUTURE:
        raise TimeInFuture(field="measure_time", value=at.isoformat(), limit=(unit.now + FUTURE).isoformat())
    return Reading(
        name=unit.new_name(meter.name, Reading.COLLECTION),
        meter=meter.name,
        raw_value=value,
        measure_time=at or unit.now,
        record_time=unit.now,
        source=source,
        person=unit.caller.name,
    )
