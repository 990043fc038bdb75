"""Meters and their readings; what looks wrong is kept in quarantine, nothing is thrown away (MNT-40 .. MNT-50)."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from google.protobuf.message import Message
from plantops.maintenance.v1.events_pb2 import MeterRead
from sqlalchemy import ARRAY, ForeignKey, Index, Numeric, Text, select
from sqlmodel import Field

from services.chassis.faults import SegregationOfDuties, TimeInFuture
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


async def record(unit: Unit, meter: Meter, value: Decimal, at: datetime | None, source: str) -> Reading:
    """Store a reading, then judge it; a late one is put in its place and the following are recomputed."""
    if at is not None and at > unit.now + FUTURE:
        raise TimeInFuture(field="measure_time", value=at.isoformat(), limit=(unit.now + FUTURE).isoformat())
    reading = unit.add(
        Reading(
            name=unit.new_name(meter.name, Reading.COLLECTION),
            meter=meter.name,
            raw_value=value,
            measure_time=at or unit.now,
            record_time=unit.now,
            source=source,
            person=unit.caller.name,
        )
    )
    before: Reading | None = await unit.first(
        select(Reading)
        .where(
            Reading.meter == meter.name,  # type: ignore[arg-type]
            Reading.state == State.ACCEPTED,  # type: ignore[arg-type]
            Reading.measure_time <= reading.measure_time,  # type: ignore[arg-type]
            Reading.name != reading.name,  # type: ignore[arg-type]
        )
        .order_by(Reading.measure_time.desc(), Reading.name.desc())  # type: ignore[attr-defined]
        .limit(1)
    )
    found = rule.step(meter.kind, before.shown if before is not None else None, reading.shown)
    if found.doubt:
        reading.state, reading.reason = State.QUARANTINED, found.doubt
        reading.delta = found.delta
        return reading
    await accept(unit, meter, reading, before)
    return reading


async def accept(unit: Unit, meter: Meter, reading: Reading, before: Reading | None) -> None:
    """Count an accepted reading and recompute what follows it (MNT-48)."""
    start = before.usage if before is not None else Decimal(0)
    later = await unit.all(
        select(Reading)
        .where(
            Reading.meter == meter.name,  # type: ignore[arg-type]
            Reading.state == State.ACCEPTED,  # type: ignore[arg-type]
            Reading.measure_time > reading.measure_time,  # type: ignore[arg-type]
            Reading.name != reading.name,  # type: ignore[arg-type]
        )
        .order_by(Reading.measure_time, Reading.name)  # type: ignore[arg-type]
    )
    last, total = before, start
    for row in [reading, *later]:
        row.delta = rule.step(meter.kind, last.shown if last is not None else None, row.shown).delta
        total += row.delta
        row.usage = total
        last = row
    meter.usage = total
    newest = later[-1] if later else reading
    meter.last_value, meter.last_measure_time = newest.raw_value, newest.measure_time
