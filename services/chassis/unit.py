"""One command, one unit of work: what a method sees of caller, time, rows and events.

The unit never commits; what stands around it (command.py) does. Rows that change are audited, events go to
the outbox in the same transaction (REL-1), and whatever a method does can be done again by a retry.
"""

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from sqlalchemy import Executable, Result, Select, event, inspect, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis import access, audit, clock, conventions, fault_points, masks, outbox, query
from services.chassis.batch import Batch
from services.chassis.context import Context
from services.chassis.faults import EtagMismatch, Fault, FieldInvalid, ResourceNotFound
from services.chassis.fields import Violation
from services.chassis.idempotency import Ledger
from services.chassis.query import Page
from services.chassis.requests import changes
from services.chassis.resource import ResourceColumns, key_of
from services.chassis.turns import BESIDE, EXPECTED, WAITED, WITHIN, Later, NotItsTurn, Turn
from services.chassis.wire import values_for

if TYPE_CHECKING:
    from services.chassis.envelope import Envelope

T = TypeVar("T", bound=ResourceColumns)
E = TypeVar("E", bound=Message)

_OUTRIGHT = 10
"""Portions of rows that are fetched outright, with one round trip; more come by a cursor, which takes three."""


class Unit:
    """One unit of work, opened and committed outside of the method that uses it."""

    def __init__(
        self,
        session: AsyncSession,
        context: Context,
        now: datetime,
        *,
        anew: bool = False,
        turn: Turn | None = None,
        ends: float | None = None,
    ) -> None:
        """`anew`: whoever opened it can do it anew in its turn, and then gives it that. `ends`: its deadline."""
        self.session = session
        self.context = context
        self.now = now
        self.caller = context.caller
        self.event = context.event
        self.correlation = context.event.correlation if context.event is not None else ""
        self.reason = _reason(context.request)
        request_id = getattr(context.request, "request_id", "")
        self.request_id: UUID | None = UUID(request_id) if request_id else None
        self._changing = (
            context.event is not None
            or context.method is None
            or (context.request is not None and changes(context.request.DESCRIPTOR))
        )
        self._audited: dict[str, audit.Record] = {}
        self._events: list[outbox.OutboxRow] = []
        self._batches: list[Batch[Any]] = []
        self._told = False
        self._anew = anew
        self._turn = turn
        self._ends_turn = False
        self._ends = ends
        self.turned: list[Envelope] = []
        self.replayed: Message | None = None
        self.answered: object | None = None
        event.listen(session.sync_session, "before_flush", self._before_flush)
        fault_points.doing.set(context)

    async def in_turn(self, keys: Iterable[str]) -> None:
        """Go on when nobody of this process has one of these things; asked before their locks are taken.

        A unit that can be done anew is ended by Later, others wait here. A unit waits once: for what it asks later it
        waits in the database, which notices when two units wait for each other. NotItsTurn for a call that is expected
        to wait for half of its time or more; what nobody waits for has patience.
        """
        turns = self.context.turns
        wanted = frozenset(keys)
        if turns is None or self._turn is not None or not wanted:
            return
        left = None if self._ends is None else self._ends - time.monotonic()
        if left is not None and turns.expected(wanted) > EXPECTED * left:
            raise NotItsTurn
        if self._anew and not turns.free(wanted):
            raise Later(turns, wanted, BESIDE if left is None else WAITED * left)
        turn = turns.ask(wanted)
        await turns.come(turn, WITHIN)
        self._turn, self._ends_turn = turn, True

    # --- rows ---------------------------------------------------------------------------------------------

    async def find(self, model: type[T], name: str, *, lock: bool | None = None) -> T | None:
        """The row of that name, or None; locked in a unit that changes something, but not for rows that refer to it."""
        statement = select(model).where(model.name == name)  # type: ignore[arg-type]
        if self._changing if lock is None else lock:
            statement = statement.with_for_update(of=model, key_share=True)
        row = (await self.session.execute(statement)).scalars().one_or_none()
        if row is not None and row.correlation and not self.correlation:
            self.correlation = row.correlation
        return row

    async def get(self, model: type[T], name: str, *, etag: str = "", lock: bool | None = None) -> T:
        """The row of that name; ResourceNotFound, or EtagMismatch for a stale etag (REL-67)."""
        row = await self.find(model, name, lock=lock)
        if row is None:
            raise ResourceNotFound(resource=name)
        if etag and etag != row.etag:
            raise EtagMismatch(resource=name, etag=etag, current=row.etag)
        return row

    async def get_many(self, model: type[T], names: Iterable[str], *, lock: bool | None = None) -> dict[str, T]:
        """Rows by name in one statement, locked in name order (REL-51); unknown names are missing."""
        wanted = sorted(set(names))
        if not wanted:
            return {}
        statement = select(model).where(query.among(model.name, wanted)).order_by(model.name)  # type: ignore[arg-type]
        if self._changing if lock is None else lock:
            statement = statement.with_for_update(of=model, key_share=True)
        return {row.name: row for row in (await self.session.execute(statement)).scalars()}

    async def all(self, statement: Select[Any]) -> Sequence[Any]:
        """All rows of a select."""
        rows: Sequence[Any] = (await self.session.execute(statement)).scalars().all()
        return rows

    async def first(self, statement: Select[Any]) -> Any:
        """First row of a select, or None."""
        return (await self.session.execute(statement)).scalars().first()

    async def execute(self, statement: Executable, parameters: Any = None) -> Result[Any]:
        """Run a statement in the unit's transaction."""
        return await self.session.execute(statement, parameters)

    async def rows(self, statement: str, *values: Any, size: int) -> AsyncIterator[Sequence[Any]]:
        """Rows of a query with values $1, $2, ..., so many at a time, as plain records of the driver.

        For tens of thousands of rows, of which a session makes objects of its own; in the unit's transaction.
        """
        driver: Any = (await (await self.session.connection()).get_raw_connection()).driver_connection
        most = size * _OUTRIGHT
        with self._watched(statement):
            rows = await driver.fetch(f"{statement} limit {most + 1}", *values)
        if len(rows) <= most:
            for at in range(0, len(rows), size):
                yield rows[at : at + size]
            return
        cursor = await driver.cursor(statement, *values)
        while rows := await cursor.fetch(size):
            yield rows

    def _watched(self, statement: str) -> AbstractContextManager[None]:
        tracing = self.context.tracing
        return nullcontext() if tracing is None else tracing.inside(*conventions.statement(statement))

    async def flush(self) -> None:
        """Write pending rows now, so that the database's checks speak here."""
        await self.session.flush()

    async def release(self) -> None:
        """End a reading unit's transaction before something slow, such as the network, is asked (REL-53)."""
        if self._changing:
            raise RuntimeError("a unit that changes something ends with its commit")
        await self.session.commit()  # nothing was written; a rollback would expire the rows that were read

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """A savepoint: when the body fails, its rows, events and audit records are gone."""
        events, audited = len(self._events), dict(self._audited)
        try:
            async with self.session.begin_nested():
                yield
                await self.session.flush()
        except BaseException:
            del self._events[events:]
            self._audited = audited
            raise

    def turn_to(self, envelope: "Envelope") -> None:
        """Go on with another event of the same aggregate in this unit."""
        self.event = envelope
        self.turned.append(envelope)
        self.correlation = envelope.correlation

    async def list(self, model: type[T], request: Any, *conditions: Any, parent_column: Any = None) -> Page[T]:
        """One page of rows: parent, filter, order and token of the request; one query, keyset (PERF-10).

        `parent_column` holds the parent's name where it is not the site.
        """
        statement = select(model).where(*conditions)
        parent: str = getattr(request, "parent", "")
        if parent_column is not None and not parent.endswith("/-"):
            statement = statement.where(parent_column == parent)
        elif parent.startswith("sites/") and not parent.startswith("sites/-"):
            statement = statement.where(model.site == parent.split("/")[1])  # type: ignore[arg-type]
        else:
            sites = self.caller.sites(self.context.action)
            if sites is not None:  # what belongs to no site is read with the permission at any
                here = model.site.in_(sorted(sites))  # type: ignore[union-attr]
                statement = statement.where(or_(here, model.site.is_(None)))  # type: ignore[union-attr]
        return await query.fetch(
            self.session,
            model,
            self._listed(),
            request,
            statement,
            principal=f"{self.caller.name} {self.context.method.full_name if self.context.method else ''}",
            key=self.context.page_token_key,
        )

    def _listed(self) -> Descriptor:
        assert self.context.method is not None
        if self.context.method.server_streaming:
            return self.context.method.output_type
        return next(
            field.message_type
            for field in self.context.method.output_type.fields
            if field.is_repeated and field.message_type is not None
        )

    def add(self, row: T) -> T:
        """Add a new resource; a taken name is ResourceExists when the unit is written."""
        if row.site is None and row.name.startswith("sites/") and row.name.count("/") > 1:
            row.site = row.name.split("/")[1]
        if not row.correlation and self.correlation and self.correlation != row.name:
            row.correlation = self.correlation
        row.create_time = row.update_time = self.now
        state = inspect(row)
        for relation in state.mapper.relationships:
            if relation.uselist and relation.key not in state.dict:  # a new row has none; never ask the database
                setattr(row, relation.key, [])
        self.session.add(row)
        return row

    def update(self, row: T, message: Message, mask: FieldMask | None = None, *, only: Iterable[str] = ()) -> T:
        """Copy masked fields (AIP-134): no mask = the fields present, `*` = all that may be set."""
        names = masks.named(message, mask)
        fixed = {name for name in names if masks.immutable(message.DESCRIPTOR.fields_by_name[name])}
        if only:
            masks.refuse_beyond(names, set(only) | fixed, message.DESCRIPTOR.name)
        for name, value in values_for(type(row), message, names).items():
            if getattr(row, name) == value:
                continue
            if name in fixed:
                raise FieldInvalid(field=name, rule="cannot be changed after creation", value=value)
            setattr(row, name, value)
        return row

    def new_name(self, parent: str, collection: str, wanted_id: str = "") -> str:
        """Name of a new resource under its parent ("" for a flat one); the id is made here unless wanted."""
        path = f"{collection}/{wanted_id or clock.new_id()}"
        return f"{parent}/{path}" if parent else path

    async def next_number(self, prefix: str) -> str:
        """A number that people read, such as WO-000117: unique, never used again, with gaps."""
        return (await self.next_numbers(prefix, 1))[0]

    async def next_numbers(self, prefix: str, count: int) -> tuple[str, ...]:
        """So many of them, in one statement."""
        if count < 1:
            return ()
        statement = text("select nextval('document_number') from generate_series(1, :count)")
        values = (await self.session.execute(statement, {"count": count})).scalars().all()
        return tuple(f"{prefix}-{value:06d}" for value in values)

    # --- events and audit -----------------------------------------------------------------------------------

    def correlate(self, name: str) -> None:
        """Say which chain this unit belongs to; events of the unit inherit it."""
        self.correlation = name

    def emit(self, *events: Message, correlation: str = "", also: Iterable[str] = ()) -> None:
        """Tell others: events go to the outbox with the state (REL-1). `also` names further chains."""
        for message in events:
            key, unordered = key_of(message.DESCRIPTOR)
            aggregate: str = getattr(message, key)
            chain = correlation or self.correlation or aggregate
            self._events.append(
                outbox.OutboxRow(
                    event=message,
                    event_id=clock.uuid7(self.now),  # inboxes are partitioned by it (REL-30)
                    aggregate=aggregate,
                    aggregate_version=0 if unordered else message.version,  # type: ignore[attr-defined]
                    unordered=unordered,
                    site=aggregate.split("/")[1] if aggregate.startswith("sites/") else "",
                    correlation=chain,
                    also=tuple(sorted({name for name in also if name and name != chain})),
                    actor=self._actor,
                    causation=self.event.event_id if self.event is not None else None,
                    occurred_at=self.now,
                    traceparent=self.turned[-1].traceparent if self.turned else self.context.traceparent,
                )
            )

    def recorrelate(self, name: str) -> None:
        """Move the events emitted so far in this unit to a chain that was found to be their root."""
        self.correlation = name
        for index, row in enumerate(self._events):
            self._events[index] = row.in_chain(name)

    @property
    def _action(self) -> str:
        if self.context.method is None and self.event is not None:
            return self.event.type
        return self.context.action

    @property
    def _actor(self) -> str:
        if self.event is not None and self.event.actor:
            return self.event.actor
        return self.caller.name

    def audit(
        self,
        name: str,
        action: str,
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
        version: int = 0,
    ) -> None:
        """Record a set-based change; resource rows are recorded by themselves (SEC-47)."""
        known = self._audited.get(name)
        self._audited[name] = audit.merge(
            known, audit.record(self, name, action or self._action, version, before, after)
        )

    def _before_flush(self, session: Any, flush_context: object, instances: object) -> None:
        for row in [*session.new, *session.dirty]:
            new = row in session.new
            if not isinstance(row, ResourceColumns) or not (new or session.is_modified(row)):
                continue
            if row.create_time is None:
                row.create_time = self.now
            row.update_time = self.now
            before, after = audit.changes(row)
            self.audit(row.name, "", before, after, 1 if new else row.version + 1)

    # --- batches --------------------------------------------------------------------------------------------

    async def batch(
        self, requests: Sequence[E], done: Mapping[int, bytes] | None = None, refused: dict[int, Fault] | None = None
    ) -> Batch[E]:
        """The entries of a batch call, with their keys claimed and bad or foreign ones refused (SEC-16).

        `done` holds outcomes, by index, of entries that a function of the database did with all that belongs to it;
        `refused` the faults of bad and foreign ones where `refusals` was asked before.
        """
        assert self.context.method is not None
        ledger = Ledger(self.session, self.principal, f"{self.context.method.full_name}#entry", self.context.metrics)
        batch = Batch(self.context.domain, ledger, requests, done or {})
        await batch.claim(self.refusals(requests) if refused is None else refused)
        self._batches.append(batch)
        self._told = self._told or bool(done)
        return batch

    def refusals(self, entries: Sequence[Message]) -> dict[int, Fault]:
        """Faults, by index, of a batch's entries that are bad by themselves or not for the caller."""
        home = access.site_of(self.context.request) if self.context.request is not None else None
        return {
            index: fault
            for index, entry in enumerate(entries)
            if (fault := self._refusal_of(entry, self.context.bad.get(index, ()), home)) is not None
        }

    def _refusal_of(self, entry: Message, bad: Sequence[Violation], home: str | None) -> Fault | None:
        if bad:
            return FieldInvalid.of(list(bad))
        named = access.resource_of(entry)
        if "-" in named.split("/"):
            return FieldInvalid(field="name", rule="must name one resource", value=named)
        site = access.site_named(named)
        if named and site != home and not self.caller.may(self.context.action, site or access.EVERYWHERE):
            return access.denied(self.context.action)
        return None

    @property
    def principal(self) -> str:
        """Who a request id belongs to: the device for a scanner, else the caller (REL-59)."""
        return self.caller.device or self.caller.name

    def answer(self, result: object) -> None:
        """In a stream: the answer to the message that this unit was opened for."""
        self.answered = result

    # --- the end --------------------------------------------------------------------------------------------

    async def write(self) -> None:
        """Write rows, audit and outbox; called once before the commit."""
        await self.write_all([self])

    @staticmethod
    async def write_all(units: Sequence["Unit"]) -> None:
        """Write what units of one transaction did, in their order; in as many statements as for one."""
        first = units[0]
        await first.session.flush()
        await audit.write(first.session, [row for unit in units for row in unit._audited.values()])
        await outbox.write(first.session, first.context.service, [row for unit in units for row in unit._events])

    @property
    def emitted(self) -> bool:
        """Whether this unit told anything: the relay is then woken after the commit."""
        return bool(self._events) or self._told

    def close(self) -> None:
        """Forget the session; whoever waits for what it had goes on."""
        if self._ends_turn and self._turn is not None and self.context.turns is not None:
            self.context.turns.end(self._turn)
            self._ends_turn = False
        event.remove(self.session.sync_session, "before_flush", self._before_flush)


def _reason(request: Message | None) -> str:
    for name in ("reason", "reason_code", "override_reason"):
        value = getattr(request, name, "")
        if isinstance(value, str) and value:
            return value
    return ""
