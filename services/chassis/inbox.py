"""An event is applied once and in order: inbox row, version rule and effect in one transaction (REL-30 .. 36)."""

import contextlib
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm.exc import StaleDataError

from services.chassis import clock, dead_letter, tracing, turns
from services.chassis.db import CLASHES, DRIVER_ERRORS, LOST, sqlstate
from services.chassis.envelope import Envelope, Poison
from services.chassis.fault_points import reach
from services.chassis.faults import FailedPrecondition
from services.chassis.metrics import Metrics
from services.chassis.resource import key_of
from services.chassis.unit import Unit

Listener = Callable[[Any, Unit], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Followed:
    """One event type of an aggregate that is followed; without a listener it only counts the version."""

    descriptor: Descriptor
    unordered: bool
    listener: Listener | None


def listeners(module: ModuleType) -> dict[str, Listener]:
    """Event type -> listener, found by the annotation of a coroutine's first parameter."""
    found: dict[str, Listener] = {}
    for name, function in vars(module).items():
        if name.startswith("_") or not inspect.iscoroutinefunction(function):
            continue
        if function.__module__ != module.__name__:
            continue
        first = next(iter(inspect.signature(function).parameters.values()))
        descriptor = getattr(first.annotation, "DESCRIPTOR", None)
        if descriptor is None:
            raise TypeError(f"{module.__name__}.{name}: the first parameter is no event message")
        if descriptor.full_name in found:
            raise TypeError(f"{module.__name__}: two listeners for {descriptor.full_name}")
        found[descriptor.full_name] = function
    return found


def followed(known: Mapping[str, Listener], events: Iterable[Descriptor]) -> dict[str, Followed]:
    """Event types to receive: all types of each aggregate that a listener follows (REL-36)."""
    descriptors = {descriptor.full_name: descriptor for descriptor in events}
    unknown = sorted(set(known) - set(descriptors))
    if unknown:
        raise TypeError(f"listeners for unknown events: {', '.join(unknown)}")
    keys = {(descriptors[name].file.package, *key_of(descriptors[name])) for name in known}
    return {
        name: Followed(descriptor, key_of(descriptor)[1], known.get(name))
        for name, descriptor in descriptors.items()
        if name in known or (not key_of(descriptor)[1] and (descriptor.file.package, *key_of(descriptor)) in keys)
    }


INSERT = text("""
    insert into inbox (consumer, event_id, subject, stream_seq)
    values (:consumer, :event_id, :subject, :stream_seq) on conflict do nothing returning 1
""")
_POSITION = text("""
    insert into consumer_position (consumer, stream, stream_seq, stream_created)
    values (:consumer, :stream, :stream_seq, :created)
    on conflict (consumer, stream) do update
    set stream_seq = greatest(consumer_position.stream_seq, excluded.stream_seq)
    where consumer_position.stream_created is not distinct from excluded.stream_created
""")
_MEET = text("""
    with before as (
        select stream_created from consumer_position where consumer = :consumer and stream = :stream)
    insert into consumer_position (consumer, stream, stream_seq, stream_created)
    values (:consumer, :stream, 0, :created)
    on conflict (consumer, stream) do update
    set stream_created = excluded.stream_created,
        stream_seq = case when consumer_position.stream_created is distinct from excluded.stream_created
                               and consumer_position.stream_created is not null
                          then 0 else consumer_position.stream_seq end
    returning (select stream_created from before)
""")
_BEGIN = text("""
    insert into applied (consumer, aggregate, version) values (:consumer, :aggregate, 0) on conflict do nothing
""")
_LAST = text("""
    select version from applied where consumer = :consumer and aggregate = :aggregate for update
""")
_ADVANCE = text("""
    update applied set version = :version where consumer = :consumer and aggregate = :aggregate
""")
_WAIT = text("""
    insert into waiting_event (consumer, aggregate, version, event_id, subject, stream_seq, headers, payload)
    values (:consumer, :aggregate, :version, :event_id, :subject, :stream_seq, cast(:headers as jsonb), :payload)
    on conflict do nothing
""")
_FIRST = text("""
    select min(version) from waiting_event where consumer = :consumer and aggregate = :aggregate
""")
_NEXT = text("""
    delete from waiting_event where consumer = :consumer and aggregate = :aggregate and version = :version
    returning event_id, subject, stream_seq, headers, payload
""")

OpenUnit = Callable[..., Any]


class _Stale(Exception):
    """A later version was applied. Nothing is kept of the event: should the owner come back from a backup and tell
    this version anew, reconciliation finds it missing and the inbox does not take it for one that it has applied."""


class OutOfTurn(FailedPrecondition):
    """Earlier versions of the resource come first."""

    text = "Version {version} of {resource} has its turn after version {last} and what lies between."


class Inbox:
    """Applies events of one stream for one consuming service."""

    def __init__(
        self,
        consumer: str,
        stream: str,
        types: Mapping[str, Followed],
        open_unit: OpenUnit,
        metrics: Metrics | None = None,
    ) -> None:
        self.metrics = metrics or Metrics(consumer)
        self.consumer = consumer
        self.stream = stream
        self.types = types
        self.open_unit = open_unit
        self._created: datetime | None = None
        self._reached = self._noted = 0

    async def apply(self, envelope: Envelope, payload: bytes) -> str:
        """Apply one event, in its turn; says what happened: applied, known, stale, waiting or ignored.

        Raises Poison for what can never be applied; other errors roll everything back.
        """
        kind = self.types.get(envelope.type)
        if kind is None:
            return "ignored"
        message = decode(kind.descriptor, payload)
        outcome = "stale"
        with contextlib.suppress(_Stale):
            outcome, unit = await turns.in_turn(lambda turn: self._once(kind, message, envelope, payload, turn))
        self._reached = max(self._reached, envelope.stream_seq)
        if outcome == "applied":
            for one in (envelope, *unit.turned):  # an effect's age counts from when its event was told
                age = time.time() - clock.seconds_of(one.event_id)
                self.metrics.observe("plantops_event_seconds", age, self.stream, self.consumer)
        return outcome

    async def _once(
        self, kind: Followed, message: Message, envelope: Envelope, payload: bytes, turn: turns.Turn | None
    ) -> tuple[str, Unit]:
        async with self.open_unit(event=envelope, anew=True, turn=turn) as unit:
            return await self._in_order(unit, kind, message, envelope, payload), unit

    async def _in_order(self, unit: Unit, kind: Followed, message: Message, envelope: Envelope, payload: bytes) -> str:
        row = await unit.execute(
            INSERT,
            {
                "consumer": self.consumer,
                "event_id": envelope.event_id,
                "subject": envelope.subject,
                "stream_seq": envelope.stream_seq,
            },
        )
        if row.first() is None:
            return "known"
        await reach("inbox.after_insert")
        if kind.unordered:
            await _handle(kind, message, unit)
            return "applied"
        last = await self.last(unit, envelope.aggregate)
        if envelope.version <= last:
            raise _Stale
        if envelope.version > last + 1:
            await self._keep(unit, envelope, payload)
            return "waiting"
        await _handle(kind, message, unit)
        await self._what_waited(unit, envelope.aggregate, envelope.version)
        return "applied"

    async def meet(self, created: datetime) -> bool:
        """Say which stream is read; whether it is another one than before: its numbers begin anew (REL-37)."""
        async with self.open_unit() as unit:
            values = {"consumer": self.consumer, "stream": self.stream, "created": created}
            before = (await unit.execute(_MEET, values)).scalar_one()
        if created != self._created:
            self._created, self._reached, self._noted = created, 0, 0
        return before is not None and before != created

    async def note(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        """Store how far this process has come in the stream that it met, when that is news (REL-37).

        In a transaction of its own: an event that held this one row until its commit would keep all others waiting.
        """
        reached, created = self._reached, self._created
        if reached == self._noted:
            return
        async with sessions() as session:
            values = {"consumer": self.consumer, "stream": self.stream, "stream_seq": reached, "created": created}
            await session.execute(_POSITION, values)
            await session.commit()
        if created == self._created:
            self._noted = reached

    async def again(self, unit: Unit, envelope: Envelope, payload: bytes, *, past_gap: bool) -> tuple[str, int]:
        """Apply an event that was put aside, and what waits behind it: outcome, and how many waited (REL-44).

        `past_gap` applies it although earlier versions will never come. OutOfTurn when they may still come.
        """
        kind = self.types.get(envelope.type)
        if kind is None:
            raise Poison(f"{self.consumer} does not follow {envelope.type}")
        message = decode(kind.descriptor, payload)
        if kind.unordered:
            unit.turn_to(envelope)
            await _handle(kind, message, unit)
            return "applied", 0
        if await self._turn(unit, envelope, past_gap=past_gap):
            unit.turn_to(envelope)
            await _handle(kind, message, unit)
            return "applied", await self._what_waited(unit, envelope.aggregate, envelope.version)
        return "stale", 0

    async def skip(self, unit: Unit, envelope: Envelope, *, past_gap: bool) -> int:
        """Count an event that was put aside as done without an effect; how many that waited are applied now."""
        kind = self.types.get(envelope.type)
        if kind is None or kind.unordered or not await self._turn(unit, envelope, past_gap=past_gap):
            return 0
        return await self._what_waited(unit, envelope.aggregate, envelope.version)

    async def _turn(self, unit: Unit, envelope: Envelope, *, past_gap: bool) -> bool:
        """Whether it is this version's turn; False when a later one was applied."""
        last = await self.last(unit, envelope.aggregate)
        if envelope.version > last + 1 and not past_gap:
            raise OutOfTurn(resource=envelope.aggregate, version=envelope.version, last=last)
        return envelope.version > last

    async def give_up(self, unit: Unit, aggregate: str, reason: str) -> bool:
        """Put aside the first event that waits for versions that will never come (REL-35); whether one did."""
        last = await self.last(unit, aggregate)
        key = {"consumer": self.consumer, "aggregate": aggregate}
        version = (await unit.execute(_FIRST, key)).scalar()
        if version is None or version <= last + 1:
            return False
        waiting = await self._take(unit, aggregate, version)
        assert waiting is not None
        await dead_letter.park(unit.session, self.consumer, *waiting, Poison(reason), attempts=1, kind="gap")
        return True

    async def _keep(self, unit: Unit, envelope: Envelope, payload: bytes) -> None:
        await unit.execute(
            _WAIT,
            {
                "consumer": self.consumer,
                "aggregate": envelope.aggregate,
                "version": envelope.version,
                "event_id": envelope.event_id,
                "subject": envelope.subject,
                "stream_seq": envelope.stream_seq,
                "headers": json.dumps(dict(envelope.headers)),
                "payload": payload,
            },
        )

    async def _what_waited(self, unit: Unit, aggregate: str, version: int) -> int:
        """Apply the events that waited behind a version, in order, in the same transaction; how many.

        One that cannot be applied is parked alone; what waits behind it goes on waiting (REL-43).
        """
        begin = version
        while True:
            waiting = await self._take(unit, aggregate, version + 1)
            if waiting is None:
                break
            envelope, payload = waiting
            unit.turn_to(envelope)
            tracing.link(envelope.traceparent)
            try:
                async with unit.attempt():
                    kind = self.types[envelope.type]
                    await _handle(kind, decode(kind.descriptor, payload), unit)
            except Exception as error:
                if transient(error):
                    raise
                await dead_letter.park(unit.session, self.consumer, envelope, payload, error, attempts=1)
                unit.turned.pop()
                break
            version += 1
        await self.advance(unit, aggregate, version)
        return version - begin

    async def last(self, unit: Unit, aggregate: str) -> int:
        """Version of the last event applied of an aggregate; locks it for this unit."""
        key = {"consumer": self.consumer, "aggregate": aggregate}
        await unit.execute(_BEGIN, key)
        return int((await unit.execute(_LAST, key)).scalar_one())

    async def advance(self, unit: Unit, aggregate: str, version: int) -> None:
        """Count an event as applied."""
        await unit.execute(_ADVANCE, {"consumer": self.consumer, "aggregate": aggregate, "version": version})

    async def _take(self, unit: Unit, aggregate: str, version: int) -> tuple[Envelope, bytes] | None:
        """Remove and give the waiting event of a version."""
        row = (
            await unit.execute(_NEXT, {"consumer": self.consumer, "aggregate": aggregate, "version": version})
        ).first()
        if row is None:
            return None
        return Envelope.of(row.subject, row.stream_seq, row.headers), bytes(row.payload)


async def _handle(kind: Followed, message: Message, unit: Unit) -> None:
    if kind.listener is not None:
        await kind.listener(message, unit)
        await unit.flush()


def transient(error: BaseException) -> bool:
    """Whether trying again may help: the database was away or transactions clashed."""
    if isinstance(error, (OSError, TimeoutError, PoolTimeout, StaleDataError)):
        return True
    return isinstance(error, DRIVER_ERRORS) and (
        sqlstate(error) in CLASHES or sqlstate(error).startswith((*LOST, "57014", "53"))
    )


def cause_of(error: BaseException) -> str:
    """Why trying again may help, in one word for the metrics."""
    state = sqlstate(error)
    if state in CLASHES:
        return "clash"
    if state.startswith(LOST):
        return "lost"
    if isinstance(error, PoolTimeout):
        return "pool"
    return "timeout" if isinstance(error, TimeoutError) or state == "57014" else "other"


def decode(descriptor: Descriptor, payload: bytes) -> Message:
    """The event message; Poison when the bytes are none."""
    try:
        return message_factory.GetMessageClass(descriptor).FromString(payload)
    except DecodeError:
        raise Poison(f"the payload is no {descriptor.full_name}") from None
