"""What stands around a unit of work: identity, permission, checks, replay, one transaction, retries, commit.

    call -> who -> may they -> is the request well formed -> was it answered before -> method in a savepoint
         -> rows, audit, outbox, stored answer -> COMMIT -> reply

A serialization clash retries the whole unit with a fresh session, never a statement (REL-50). The commit is
shielded from cancellation, so that a passed deadline leaves no half-known outcome (REL-74).
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import code_pb2
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from services.chassis import access, conventions, lanes, requests, streams
from services.chassis.admission import OTHERS, RETRY, Admission, Work
from services.chassis.batch import BatchAnswer
from services.chassis.config import ServiceConfig
from services.chassis.context import Context, Standing
from services.chassis.db import CLASHES, DRIVER_ERRORS, LOCKED, LOST, sqlstate
from services.chassis.fault_points import reach
from services.chassis.faults import (
    Conflict,
    DatabaseFull,
    DeadlineExceeded,
    DependencyUnavailable,
    Fault,
    Overloaded,
    RequestInProgress,
    ResourceExists,
)
from services.chassis.fields import Violation
from services.chassis.idempotency import STORED_CODES, Answer, Ledger, request_hash, waits_for_twin
from services.chassis.metrics import Metrics
from services.chassis.query import Page
from services.chassis.tracing import SpanKind, Tracing, current
from services.chassis.turns import NotItsTurn, Turn, Turns, in_turn
from services.chassis.unit import Unit
from services.chassis.wire import fill

if TYPE_CHECKING:
    from services.chassis.envelope import Envelope

R = TypeVar("R")

ATTEMPTS = 5
LONGEST = 30.0
"""Seconds that a unit of work may last, whatever the caller allows; the database role's transaction_timeout."""
OVERTIME = frozenset({"57014", "25P03", "25P04"})
"""Statement, idle transaction or transaction ended by its timeout."""
_BEGIN = text("""
    select now(), set_config('statement_timeout', :timeout, true)
""")


class Late(DeadlineExceeded):
    """The time for the call is over; its outcome is told by a retry with the same request_id."""

    reason = "DEADLINE_EXCEEDED"
    text = "The deadline of {limit} s passed; ask again with the same request_id."


@dataclass(frozen=True, slots=True)
class Call:
    """What came over the wire beside the request."""

    token: str = ""
    timeout: float | None = None
    traceparent: str = ""
    ip: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The response, as a message or as its bytes, and whether it is a stored one (`x-idempotent-replay`)."""

    message: Message | None
    replayed: bool = False
    content: bytes = b""


class Commands:
    """Runs units of work for one service."""

    def __init__(
        self,
        service: str,
        config: ServiceConfig,
        sessions: async_sessionmaker[AsyncSession],
        identify: Callable[[str], Awaitable[access.Claims]],
        wake: Callable[[], None],
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.metrics = metrics or Metrics(service)
        self.tracing = tracing or Tracing(service)
        self.service = service
        self.config = config
        self.sessions = sessions
        self.identify = identify
        self.wake = wake
        self.standing: Standing | None = None
        self.admission = Admission(config.max_concurrent_calls, config.pool_size)
        self.lanes = lanes.Lanes(self, min(config.lanes, config.pool_size // 2))
        self.turns = Turns(self.admission.waiting_aside)
        self.work = Work(min(config.changes_at_once, config.pool_size))
        self.streams = streams.Streams(self)
        self.page_token_key = config.page_token_key.get_secret_value().encode()

    # --- calls ----------------------------------------------------------------------------------------------

    def work_of(self, method: MethodDescriptor, body: object) -> Work | None:
        """Where calls of an rpc ask for a place; None for reads, and for what lanes do."""
        in_lanes = self.lanes.lanes and lanes.shared_of(body) is not None
        return self.work if requests.changes(method.input_type) and not in_lanes else None

    async def run(
        self,
        method: MethodDescriptor,
        request: Message,
        call: Call,
        body: Callable[[Any, Unit], Awaitable[Any]],
    ) -> Reply:
        """Run one call as one unit of work and give its reply."""
        limit = self.config.default_deadline_seconds if call.timeout is None else min(call.timeout, LONGEST)
        if limit <= 0:  # nobody waits for the answer any more (REL-73)
            raise Late(limit=f"{limit:g}")
        ends = time.monotonic() + limit
        try:
            async with asyncio.timeout(limit):
                claims = await self.identify(call.token)
                tell_who(claims, request)
                shared = lanes.shared_of(body)
                if shared is not None and (place := shared.by(request)) is not None and self.lanes.lanes:
                    member = lanes.Member(shared, place, method, request, call, claims, ends)
                    if (reply := await self.lanes.run(member)) is not None:
                        return reply
                return await self.retried(
                    ends,
                    lambda turn: self._once(method, request, call, claims, ends, body, turn),
                    safe=requests.changes(request.DESCRIPTOR),
                    request=request,
                )
        except TimeoutError:
            raise Late(limit=f"{limit:g}") from None

    async def _once(
        self,
        method: MethodDescriptor,
        request: Message,
        call: Call,
        claims: access.Claims,
        ends: float,
        body: Callable[[Any, Unit], Awaitable[Any]],
        turn: Turn | None,
    ) -> Reply:
        changing, aside = requests.changes(request.DESCRIPTOR), self.admission.waiting_aside
        place = self.work.place(first=turn is not None, aside=aside) if changing else _nothing()
        async with place, self.sessions() as session:
            now = await self.begin(session, ends)
            caller = await access.load_caller(session, claims, self.config)
            access.check(caller, method, request)
            bad = requests.check(request, method)
            context = self.context(caller, method, request, call, bad)
            unit = Unit(session, context, now, anew=True, turn=turn, ends=ends)
            try:
                with self.admission.working():
                    return await self._answer(unit, method, request, body)
            finally:
                unit.close()

    async def _answer(
        self,
        unit: Unit,
        method: MethodDescriptor,
        request: Message,
        body: Callable[[Any, Unit], Awaitable[Any]],
    ) -> Reply:
        response = message_factory.GetMessageClass(method.output_type)()
        ledger: Ledger | None = None
        key = unit.request_id
        if key is not None and requests.changes(request.DESCRIPTOR):
            ledger = Ledger(unit.session, unit.principal, method.full_name, self.metrics)
            before = (await ledger.claim([(key, request_hash(request))]))[key]
            await reach("unit.after_idempotency_insert")
            if isinstance(before, Fault):
                raise before
            if before is not None:
                return Reply(before.into(response), replayed=True)
        try:
            async with unit.session.begin_nested() if ledger is not None else _nothing():
                message = await self._effect(unit, response, request, body)
        except Fault as fault:
            if ledger is None or key is None or fault.code not in STORED_CODES:
                raise
            status = fault.status(unit.context.domain)
            await ledger.store([(key, Answer(fault.code, status.SerializeToString()))])
            await self.commit(unit.session)
            raise
        if ledger is not None and key is not None:
            await ledger.store([(key, Answer(code_pb2.OK, message.SerializeToString()))])
        await self.commit(unit.session)
        if unit.emitted:
            self.wake()
        return Reply(message)

    async def _effect(
        self, unit: Unit, response: Message, request: Message, body: Callable[[Any, Unit], Awaitable[Any]]
    ) -> Message:
        try:
            result = await body(request, unit)
            await unit.write()
        except IntegrityError as error:
            raise named(error) from error
        return await complete(response, result)

    async def begin(self, session: AsyncSession, ends: float | None) -> datetime:
        """Begin a transaction that lasts until then at most; gives the database's time."""
        left = LONGEST if ends is None else min(LONGEST, ends - time.monotonic())
        row = (await session.execute(_BEGIN, {"timeout": str(max(1, int(left * 1000)))})).one()
        now: datetime = row[0]
        return now

    async def retried(
        self,
        ends: float | None,
        once: Callable[[Turn | None], Awaitable[R]],
        *,
        safe: bool,
        request: Message | None = None,
    ) -> R:
        """Do a whole unit of work, again after a clash and, where that is safe, after a lost connection.

        One that waited in vain for what others hold would have to wait behind those that came meanwhile: it is refused,
        and its caller may come back (PERF-2). A twin's end is waited for.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await in_turn(once)
            except DRIVER_ERRORS as error:
                state = sqlstate(error)
                if state == LOCKED and not waits_for_twin(error):
                    raise Overloaded(limit=OTHERS).retry_in(RETRY) from error
                again = state in CLASHES or (safe and state.startswith(LOST))
                pause = random.uniform(0, 0.02 * 2**attempt)
                late = ends is not None and time.monotonic() + pause >= ends
                if not again or attempt == ATTEMPTS or late:
                    raise self.given_up(error, state, request) from error
                self.metrics.inc("plantops_db_retries_total", state)
                await asyncio.sleep(pause)
            except NotItsTurn as error:
                raise Overloaded(limit=OTHERS).retry_in(RETRY) from error
            except PoolTimeout as error:
                raise Overloaded(limit="the number of database connections").retry_in(RETRY) from error
            except TimeoutError:
                raise
            except OSError as error:
                raise DependencyUnavailable(dependency="the database") from error
        raise AssertionError("unreachable")

    def given_up(self, error: Exception, state: str, request: Message | None) -> Exception:
        """What a caller is told of a database error that stays."""
        key = str(getattr(request, "request_id", ""))
        if state == LOCKED and key:
            return RequestInProgress(request_id=key)
        if state in CLASHES:
            return Conflict(sqlstate=state)
        if state.startswith(LOST) or isinstance(error, InterfaceError):
            return DependencyUnavailable(dependency="the database")
        if state == "53100":
            return DatabaseFull()
        if state == "53300":
            return Overloaded(limit="the number of the database's connections")
        if state in OVERTIME:  # the statement timeout is the deadline
            return TimeoutError()
        return error

    async def commit(self, session: AsyncSession) -> None:
        """Commit, whoever goes away meanwhile."""
        await reach("unit.before_commit")
        began = time.perf_counter()
        cancelled: asyncio.CancelledError | None = None
        with self.tracing.inside("COMMIT", conventions.COMMIT):
            commit = asyncio.ensure_future(session.commit())
            while not commit.done():  # deadline and client may both cancel
                try:
                    await asyncio.shield(commit)
                except asyncio.CancelledError as error:
                    cancelled = error
        if cancelled is not None:
            commit.exception()  # seen: the retry with the same request_id tells the outcome
            raise cancelled
        commit.result()
        self.metrics.observe("plantops_db_commit_seconds", time.perf_counter() - began)
        await reach("unit.after_commit")

    def context(
        self,
        caller: access.Caller,
        method: MethodDescriptor | None,
        request: Message | None,
        call: Call,
        bad: Mapping[int, Sequence[Violation]] = MappingProxyType({}),
    ) -> Context:
        """What the unit of a call belongs to; `bad` is what is wrong with entries of a batch, by index."""
        return Context(
            service=self.service,
            caller=caller,
            method=method,
            request=request,
            traceparent=call.traceparent,
            ip=call.ip,
            page_token_key=self.page_token_key,
            standing=self.standing,
            metrics=self.metrics,
            tracing=self.tracing,
            config=self.config,
            bad=bad,
            turns=self.turns,
        )

    # --- listeners and jobs ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def open_unit(
        self,
        *,
        caller: access.Caller | None = None,
        event: "Envelope | None" = None,
        correlation: str = "",
        anew: bool = False,
        turn: Turn | None = None,
    ) -> AsyncIterator[Unit]:
        """A unit for a listener or a job; it acts as `services/<name>` and commits at the end (SEC-5)."""
        place = self.work.place(first=turn is not None) if event is not None else _nothing()
        async with self._traced(event) as traceparent, place, self.sessions() as session:
            now = await self.begin(session, None)
            context = Context(
                service=self.service,
                caller=caller or access.service_caller(self.service),
                event=event,
                traceparent=traceparent,
                page_token_key=self.page_token_key,
                metrics=self.metrics,
                tracing=self.tracing,
                config=self.config,
                turns=self.turns,
            )
            unit = Unit(session, context, now, anew=anew, turn=turn)
            if correlation:
                unit.correlate(correlation)
            try:
                yield unit
                await unit.write()
                await self.commit(session)
            finally:
                unit.close()
        if unit.emitted:
            self.wake()

    @asynccontextmanager
    async def _traced(self, event: "Envelope | None") -> AsyncIterator[str]:
        """The trace of an event's effects is the event's; a job's unit begins one."""
        if event is not None:
            yield current() or event.traceparent
            return
        with self.tracing.work("job", SpanKind.INTERNAL, current()) as work:
            yield work.traceparent


def tell_who(claims: access.Claims, request: Message) -> None:
    """Who does what where, for the log lines of this call: the principal's id, never a name (OPS-43)."""
    structlog.contextvars.bind_contextvars(actor=claims.subject, site=access.site_of(request) or "")


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


async def complete(response: Message, result: object) -> Message:
    """The response message of what a method returned: message, page, batch answer, row or nothing."""
    if isinstance(result, BatchAnswer):
        return await result.batch.finish(result.kind)  # type: ignore[no-any-return]
    if isinstance(result, Message):
        if result.DESCRIPTOR is not response.DESCRIPTOR:
            raise TypeError(f"{response.DESCRIPTOR.full_name} expected, not {result.DESCRIPTOR.full_name}")
        return result
    if isinstance(result, Page):
        field = next(field for field in response.DESCRIPTOR.fields if field.is_repeated)
        target = getattr(response, field.name)
        for row in result.rows:
            fill(target.add(), row)
        response.next_page_token = result.next_page_token  # type: ignore[attr-defined]
        return response
    return response if result is None else fill(response, result)


def named(error: IntegrityError) -> Exception:
    """The fault that a constraint stands for; a taken unique value is ResourceExists, others are defects."""
    cause = getattr(error.orig, "__cause__", None)
    constraint = getattr(cause, "constraint_name", "") or ""
    detail = getattr(cause, "detail", "") or ""
    fault = Fault.by_constraint.get(constraint)
    if fault is not None:
        return fault(constraint=constraint, detail=detail)
    if sqlstate(error) == "23505":
        value = detail.partition("=(")[2].partition(")")[0] or constraint
        return ResourceExists(resource=value)
    return error


__all__ = ["Call", "Commands", "Reply", "complete", "named", "tell_who"]
