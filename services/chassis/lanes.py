"""Calls that wait together are done together: one transaction for many calls, each with its own outcome (PERF-2).

    call -> who -> a lane -> queue -> one transaction for all that wait -> COMMIT -> replies

Calls go to the first lane, since few large transactions cost less than many small ones; while it is held up, those on
other stock go to the next. Calls of one key are in one lane at a time.
A lane does one transaction at a time, on one connection of the pool. There is no timer: a lone call goes at once, and
what arrives during a commit is the next batch, so that batches grow with the load. What is said of a unit
(command.py) holds for each call of a batch: identity, permission, checks, replay, audit, events, stored answer.

Where a method says how, a batch is first given to one function of the database (at_once.py); what it leaves is done as
above. A call that cannot be done with others is left to a unit of its own, and so are all calls of a batch that fails.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from zlib import crc32

import structlog
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import code_pb2
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis import access, at_once, command, requests
from services.chassis.admission import RETRY
from services.chassis.db import DRIVER_ERRORS, LOCKED, POOL_TIMEOUT, sqlstate
from services.chassis.fault_points import reach
from services.chassis.faults import Conflict, Fault, Overloaded
from services.chassis.idempotency import STORED_CODES, Answer, Key, Ledgers, StoredRefusal, request_hash
from services.chassis.tracing import SpanKind
from services.chassis.unit import Unit

if TYPE_CHECKING:
    from services.chassis.command import Call, Commands, Reply

log = structlog.get_logger("lanes")

MOST = 512
"""Calls of one transaction."""
SLOW = 0.05
"""Seconds after which a transaction keeps calls on other stock from waiting for it: they take another lane."""
_WEIGHT = 0.2
"""Weight of the newest transaction in the running mean of how long they take."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call belongs: only calls of one group are done together, and those of one key in one lane."""

    group: str
    key: str


@dataclass(frozen=True, slots=True)
class Shared:
    """How calls of one rpc are done together. `by` gives the place of a request, or None: it needs a unit alone."""

    by: Callable[[Any], Place | None]
    body: Callable[[Sequence["Member"]], Awaitable[None]]
    work: Callable[[], at_once.Work] | None = None
    """What does a batch by one call of a function, made once for a process."""


def together(
    by: Callable[[Any], Place | None],
    body: Callable[[Sequence["Member"]], Awaitable[None]],
    work: Callable[[], at_once.Work] | None = None,
) -> Callable[[F], F]:
    """Let calls of this method be done together by `body`; the method itself serves a call that is alone."""

    def marked(method: F) -> F:
        method.shared = Shared(by, body, work)  # type: ignore[attr-defined]
        return method

    return marked


def shared_of(body: object) -> Shared | None:
    """How calls of a method are done together, None if they are not."""
    found: Shared | None = getattr(body, "shared", None)
    return found


@dataclass(eq=False)
class Member:
    """One call of a batch: answer it, refuse it with nothing written for it, or leave it to a unit of its own."""

    shared: Shared
    place: Place
    method: MethodDescriptor
    request: Any
    call: "Call"
    claims: access.Claims
    ends: float
    done: "asyncio.Future[Reply | None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    opened: Unit | None = None
    key: Key | None = None
    fault: Exception | None = None
    result: object | None = None
    reply: "Reply | None" = None
    checked: bool = False
    hash: bytes = b""
    since: float = 0.0
    apart: bool = False
    """It waits for nobody else's sake: a unit of its own does it."""

    @property
    def unit(self) -> Unit:
        """Its unit: the caller, and what is told and audited for it. All members share one transaction."""
        assert self.opened is not None
        return self.opened

    @property
    def twin(self) -> tuple[str, str]:
        """Two calls that are the same are never in one batch."""
        return self.claims.device or self.claims.subject, self.request.request_id.lower()

    def answer(self, result: object) -> None:
        """Set the outcome: a row or message."""
        self.result = result

    def refuse(self, fault: Fault) -> None:
        """Set the outcome: refused."""
        self.fault = fault

    def reply_with(self, content: bytes) -> None:
        """Set the outcome: the bytes of the response."""
        self.reply = command.Reply(None, content=content)

    def replay(self, before: Answer) -> None:
        """Set the outcome: what was answered the first time."""
        response: Message = message_factory.GetMessageClass(self.method.output_type)()
        try:
            self.reply = command.Reply(before.into(response), replayed=True)
        except StoredRefusal as refusal:
            self.fault = refusal

    def forget(self) -> None:
        """Begin anew."""
        self.opened = self.key = self.fault = self.result = self.reply = None

    def tell(self) -> None:
        """Give the outcome to who waits for it, if anybody still does; without one a unit of its own does the call."""
        if self.done.done():
            return
        if self.fault is not None:
            self.done.set_exception(self.fault)
        else:
            self.done.set_result(self.reply)


class Lane:
    """A queue and the task that empties it."""

    def __init__(self, work: Callable[[list[Member]], Awaitable[None]]) -> None:
        self._work = work
        self.queue: deque[Member] = deque()
        self.places: Counter[Place] = Counter()
        """Of calls that wait or are being done."""
        self.task: asyncio.Task[None] | None = None
        self._mean = 0.0
        self._began = 0.0

    @property
    def wait(self) -> float:
        """Seconds that the next call is expected to wait until its turn."""
        if self.task is None:
            return 0.0
        longest = max(self._mean, time.monotonic() - self._began)
        return longest * (1 + len(self.queue) // MOST)

    @property
    def slow(self) -> bool:
        """Whether it is held up, as by somebody who holds the stock of one of its items."""
        return self.task is not None and time.monotonic() - self._began > SLOW

    def put(self, member: Member) -> None:
        """Queue a call; Overloaded when it would wait longer than a unit for a connection, or too late."""
        if self.wait > min(POOL_TIMEOUT, member.ends - time.monotonic()):
            raise Overloaded(limit="the wait for the database").retry_in(RETRY)
        member.since = time.monotonic()
        self.queue.append(member)
        self.places[member.place] += 1
        if self.task is None:
            self._began = time.monotonic()
            # a context of its own: what the first caller logs and traces is not the others'
            self.task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    async def _run(self) -> None:
        batch: list[Member] = []
        try:
            while batch := self._next():
                self._began = time.monotonic()
                await self._work(batch)
                self._mean += _WEIGHT * (time.monotonic() - self._began - self._mean)
                for member in batch:
                    self._gone(member)
        finally:
            self.task = None
            for member in [*batch, *self.queue]:  # only when the process is torn down
                member.done.cancel()
            self.queue.clear()
            self.places.clear()

    def _gone(self, member: Member) -> None:
        self.places[member.place] -= 1
        if not self.places[member.place]:
            del self.places[member.place]

    def _next(self) -> list[Member]:
        """The calls that are done together now; who waited beyond its deadline is gone."""
        batch: list[Member] = []
        rest: list[Member] = []
        twins: set[tuple[str, str]] = set()
        now = time.monotonic()
        while self.queue and len(batch) < MOST:
            member = self.queue.popleft()
            if member.ends <= now:
                self._gone(member)
                continue
            first = batch[0] if batch else member
            fits = member.place.group == first.place.group and member.method is first.method
            if fits and member.twin not in twins:
                twins.add(member.twin)
                batch.append(member)
            else:
                rest.append(member)
        self.queue.extendleft(reversed(rest))
        return batch


class Lanes:
    """The lanes of one process."""

    def __init__(self, commands: "Commands", count: int) -> None:
        self._commands = commands
        self.lines = [at_once.Line(commands) for _ in range(count)]
        self.lanes = [Lane(partial(self._work, line)) for line in self.lines]
        self._at_once = at_once.AtOnce(commands)

    async def run(self, member: Member) -> "Reply | None":
        """Do a call together with those that wait; None when it needs a unit of its own."""
        self._lane_of(member.place).put(member)
        with self._commands.admission.waiting_aside():
            return await member.done

    def _lane_of(self, place: Place) -> Lane:
        """Where calls of the same key are, else the first lane that is not held up, so that batches are large."""
        with_it = (lane for lane in self.lanes if place in lane.places)
        free = (lane for lane in self.lanes if not lane.slow)
        found = next(with_it, None) or next(free, None)
        return found or self.lanes[crc32(f"{place.group} {place.key}".encode()) % len(self.lanes)]

    async def drain(self) -> None:
        """Wait until all that is queued is done."""
        while running := [lane.task for lane in self.lanes if lane.task is not None]:
            await asyncio.wait(running)
        for line in self.lines:
            await line.close()

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        return sum(len(lane.queue) for lane in self.lanes)

    async def _work(self, line: at_once.Line, batch: list[Member]) -> None:
        metrics, now = self._commands.metrics, time.monotonic()
        metrics.observe("plantops_lane_calls", len(batch))
        for member in batch:
            metrics.observe("plantops_lane_wait_seconds", now - member.since)
        if batch[0].shared.work is not None:
            ends = max(member.ends for member in batch)
            with self._commands.tracing.shared("lane", SpanKind.INTERNAL, [one.call.traceparent for one in batch]):
                left = {id(member) for member in await self._at_once.run(line, batch, ends)}
            for member in batch:
                if id(member) not in left or member.apart:
                    member.tell()
            batch = [member for member in batch if id(member) in left and not member.apart]
        if batch:
            await self._in_a_unit(batch)

    async def _in_a_unit(self, batch: list[Member]) -> None:
        try:
            ends = max(member.ends for member in batch)
            with self._commands.tracing.shared("lane", SpanKind.INTERNAL, [one.call.traceparent for one in batch]):
                await self._commands.retried(ends, lambda _: self._tried(batch, ends), safe=True)
        except Exception as error:
            for member in batch:
                member.forget()
            if isinstance(error, Fault | TimeoutError) and not isinstance(error, Conflict | _Apart):
                for member in batch:
                    member.fault = error
            elif not isinstance(error, _Apart):
                log.warning("batch failed", calls=len(batch), error=type(error).__name__)
        for member in batch:
            member.tell()

    async def _tried(self, batch: list[Member], ends: float) -> None:
        try:
            await self._once(batch, ends)
        except DRIVER_ERRORS as error:
            if len(batch) > 1 and sqlstate(error) == LOCKED:
                raise _Apart from error  # one of them waits for somebody: the others need not
            raise

    async def _once(self, batch: list[Member], ends: float) -> None:
        for member in batch:
            member.forget()
        async with self._commands.sessions() as session:
            try:
                mine = await self._claimed(session, batch, ends)
                if mine:
                    await self._answer(session, mine)
            finally:
                for member in batch:
                    if member.opened is not None:
                        member.opened.close()
        if any(member.unit.emitted for member in mine):
            self._commands.wake()

    async def _claimed(self, session: AsyncSession, batch: list[Member], ends: float) -> list[Member]:
        """Those that are allowed, well formed and not answered before: their request ids are claimed."""
        now = await self._commands.begin(session, ends)
        callers = await access.load_callers(session, [member.claims for member in batch], self._commands.config)
        hashes: dict[Key, bytes] = {}
        for member, caller in zip(batch, callers, strict=True):
            try:
                if isinstance(caller, Fault):
                    raise caller
                access.check(caller, member.method, member.request)
                requests.check(member.request, member.method)
            except Fault as fault:
                member.fault = fault
                continue
            context = self._commands.context(caller, member.method, member.request, member.call)
            member.opened = unit = Unit(session, context, now)
            assert unit.request_id is not None
            member.key = (unit.principal, unit.request_id)
            hashes[member.key] = request_hash(member.request)
        claimed = await self._ledgers(session, batch).claim(hashes) if hashes else {}
        await reach("unit.after_idempotency_insert")
        mine: list[Member] = []
        for member in batch:
            if member.key is None:
                continue
            before = claimed[member.key]
            if isinstance(before, Fault):
                member.fault = before
            elif before is not None:
                member.replay(before)
            else:
                mine.append(member)
        return mine

    async def _answer(self, session: AsyncSession, mine: list[Member]) -> None:
        try:
            await mine[0].shared.body(mine)
        except Fault as fault:  # none of theirs: it may be said of one call alone
            raise _Apart from fault
        await Unit.write_all([member.unit for member in mine])
        keep: dict[Key, Answer] = {}
        drop: list[Key] = []
        for member in mine:
            assert member.key is not None
            if member.fault is None and member.result is not None:
                response = message_factory.GetMessageClass(member.method.output_type)()
                message = await command.complete(response, member.result)
                member.reply = command.Reply(message)
                keep[member.key] = Answer(code_pb2.OK, message.SerializeToString())
            elif isinstance(member.fault, Fault) and member.fault.code in STORED_CODES:
                status = member.fault.status(member.unit.context.domain)
                keep[member.key] = Answer(member.fault.code, status.SerializeToString())
            else:
                drop.append(member.key)
        ledgers = self._ledgers(session, mine)
        await ledgers.store(keep)
        await ledgers.forget(drop)
        await self._commands.commit(session)

    def _ledgers(self, session: AsyncSession, batch: list[Member]) -> Ledgers:
        return Ledgers(session, batch[0].method.full_name, self._commands.metrics)


class _Apart(Exception):
    """The calls of a batch are done each in a unit of its own."""


__all__ = ["Lane", "Lanes", "Member", "Place", "Shared", "shared_of", "together"]
