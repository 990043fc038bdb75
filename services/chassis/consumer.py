"""Stream -> inbox: a pull loop with bounded work in flight, order per aggregate, backoff and parking."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from datetime import datetime

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from services.chassis import bus, conventions, dead_letter
from services.chassis.db import sqlstate
from services.chassis.envelope import Envelope, Poison
from services.chassis.fault_points import reach
from services.chassis.inbox import INSERT, Inbox, cause_of, transient
from services.chassis.metrics import Metrics
from services.chassis.pull import Pull, PullEnded
from services.chassis.tracing import SpanKind, Tracing

log = structlog.get_logger("consumer")

IN_FLIGHT = 16
IN_HAND = 128
"""Messages taken from the broker and not finished: waiting for their aggregate, or being handled."""
FINISH_SECONDS = 10.0
TRIES = 3
ACK_WAIT = 30.0
NOTE_SECONDS = 1.0
"""How often the position in the stream is stored."""


class Consumer:
    """Reads one stream for one service."""

    def __init__(
        self,
        inbox: Inbox,
        client: Callable[[], Client | None],
        sessions: async_sessionmaker[AsyncSession],
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
        durable: str = "",
    ) -> None:
        self.durable = durable or inbox.consumer
        """The broker's name of what is read; several may bring their events into one inbox (REL-25)."""
        self.tracing = tracing or Tracing(inbox.consumer)
        self.metrics = metrics or Metrics(inbox.consumer)
        self.inbox = inbox
        self.client = client
        self.sessions = sessions
        self.last_seen = time.monotonic()
        self.handled = 0
        self._stream: datetime | None = None
        self._stopping = asyncio.Event()
        self._limit = asyncio.Semaphore(IN_FLIGHT)
        self._in_hand = asyncio.Semaphore(IN_HAND)
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: dict[str, asyncio.Task[None]] = {}

    def stop(self) -> None:
        """Fetch no more; what is in hand is finished."""
        self._stopping.set()

    async def run(self) -> None:
        """Take messages until stopped; whatever goes wrong with the broker, begin anew."""
        noting = asyncio.ensure_future(self._keep_noting())
        try:
            await self._run()
        finally:
            noting.cancel()
            await asyncio.wait({noting})
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FINISH_SECONDS)
        await self._note()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            nc = self.client()
            if nc is None or not nc.is_connected:
                await self._pause(0.2)
                continue
            try:
                await self._meet(nc)
                async with Pull(nc, self.inbox.stream, self.durable) as pull:
                    await self._take(pull)
            except (PullEnded, NatsError, JetStreamError, TimeoutError, OSError) as error:
                log.warning("pull ended", consumer=self.durable, error=repr(error))
                await self._pause(0.2)
            except Exception:  # whatever it was, the inbox knows what was applied
                log.exception("pull begins anew", consumer=self.durable)
                await self._pause(1.0)

    async def _keep_noting(self) -> None:
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            await self._note()

    async def _note(self) -> None:
        """Store the position; a database that is away now is told the next time."""
        try:
            await self.inbox.note(self.sessions)
        except Exception as error:
            log.warning("position not stored", consumer=self.inbox.consumer, error=repr(error))

    async def _meet(self, nc: Client) -> None:
        """Know which stream is read: one that was made anew counts from one again, and the inbox stays (REL-37)."""
        live = await bus.standing_of(nc, self.inbox.stream)
        if live is None or live.created == self._stream:
            return
        if await self.inbox.meet(live.created):
            log.warning("reads a stream that was made anew", consumer=self.durable, stream=self.inbox.stream)
        self._stream = live.created

    async def _take(self, pull: Pull) -> None:
        """Hand each message to the worker of its aggregate; no more than IN_HAND at a time."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            while not self._stopping.is_set():
                await self._in_hand.acquire()
                taking = asyncio.ensure_future(pull.next())
                await asyncio.wait({taking, stopping}, return_when=asyncio.FIRST_COMPLETED)
                message: Msg | None = None
                if taking.done():
                    try:
                        message = taking.result()
                    finally:
                        if message is None:
                            self._in_hand.release()
                    self.last_seen = time.monotonic()
                else:
                    taking.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await taking
                    self._in_hand.release()
                if message is not None:
                    self._dispatch(message)
            await pull.give_back()
        finally:
            stopping.cancel()

    def _dispatch(self, message: Msg) -> None:
        """Messages of one aggregate wait for each other, others do not (REL-25)."""
        key = (message.headers or {}).get("plantops-aggregate", message.subject)
        task = asyncio.ensure_future(self._after(self._last.get(key), message))
        self._last[key] = task
        self._tasks.add(task)

        def done(ended: asyncio.Task[None]) -> None:
            self._in_hand.release()
            self._tasks.discard(ended)
            if self._last.get(key) is ended:
                del self._last[key]

        task.add_done_callback(done)

    async def _after(self, before: asyncio.Task[None] | None, message: Msg) -> None:
        if before is not None:
            await asyncio.wait({before})
        async with self._limit:
            await self.handle(message)

    async def handle(self, message: Msg) -> None:
        """Apply one delivery and acknowledge, delay or park it."""
        busy = asyncio.ensure_future(self._still_busy(message))
        try:
            await self._handle(message)
        except (NatsError, JetStreamError, TimeoutError, OSError) as error:
            log.warning("acknowledgement failed", subject=message.subject, error=repr(error))
        finally:
            busy.cancel()

    async def _handle(self, message: Msg) -> None:
        meta = message.metadata
        attempts = int(meta.num_delivered or 1)
        headers = dict(message.headers or {})
        try:
            envelope = Envelope.of(message.subject, meta.sequence.stream, headers)
        except Poison as error:
            log.error("event without envelope", subject=message.subject, error=str(error))
            async with self.sessions() as session:
                inbox, sequence = self.inbox, meta.sequence.stream
                await dead_letter.park_bare(
                    session, inbox.consumer, inbox.stream, sequence, message.subject, headers, message.data, error
                )
                await session.commit()
            await message.term()
            return
        identity = str(envelope.event_id)
        attributes = conventions.processing(self.inbox.stream, self.inbox.consumer, identity, envelope.type)
        name = f"process {envelope.type.rpartition('.')[2]}"
        with (
            self.tracing.work(name, SpanKind.CONSUMER, envelope.traceparent, attributes=attributes) as work,
            structlog.contextvars.bound_contextvars(
                event_type=envelope.type,
                event_id=identity,
                correlation=envelope.correlation,
                consumer=self.inbox.consumer,
                actor=envelope.actor,
                site=envelope.site,
                **work.ids,
            ),
        ):
            outcome = await self._deliver(message, envelope, attempts)
            work.tell(conventions.outcome(outcome))
            if outcome in {"delayed", "parked"}:
                work.failed(outcome)

    async def _deliver(self, message: Msg, envelope: Envelope, attempts: int) -> str:
        """Apply, delay or park; one word for what became of it."""
        if attempts > dead_letter.MAX_ATTEMPTS:
            tried = Poison(f"not applied in {dead_letter.MAX_ATTEMPTS} deliveries")
            log.error("event parked", kind="exhausted")
            await self._park(envelope, message.data, tried, attempts, "exhausted")
            await message.term()
            return "parked"
        began = time.perf_counter()
        try:
            outcome = await self._apply(envelope, message.data)
        except Exception as error:
            if transient(error):
                self.metrics.inc("plantops_event_retries_total", self.inbox.consumer, cause_of(error))
                delay = min(300.0, 0.5 * 2 ** (attempts - 1)) * random.uniform(0.5, 1)
                log.warning("event delayed", error=str(error), attempts=attempts, delay=round(delay, 2))
                await message.nak(delay=delay)
                return "delayed"
            kind = "expired" if _expired(error) else "poison"
            log.exception("event parked", kind=kind)
            await self._park(envelope, message.data, error, attempts, kind)
            await message.term()
            return "parked"
        self.handled += 1
        self._count(outcome)
        duration = round((time.perf_counter() - began) * 1000, 2)
        version = envelope.version
        log.info("event", outcome=outcome, aggregate=envelope.aggregate, version=version, duration_ms=duration)
        await reach("inbox.after_commit_before_ack")
        await message.ack_sync(timeout=5)
        return outcome

    async def _apply(self, envelope: Envelope, payload: bytes) -> str:
        for attempt in range(1, TRIES + 1):
            try:
                return await self.inbox.apply(envelope, payload)
            except Exception as error:
                if attempt == TRIES or not transient(error):
                    raise
                self.metrics.inc("plantops_event_retries_total", self.inbox.consumer, cause_of(error))
                if state := sqlstate(error):
                    self.metrics.inc("plantops_db_retries_total", state)
                await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise AssertionError("unreachable")

    def _count(self, outcome: str) -> None:
        if outcome == "known":
            self.metrics.inc("plantops_inbox_duplicates_total", self.inbox.consumer)
        elif outcome == "stale":
            self.metrics.inc("plantops_events_stale_total", self.inbox.consumer)

    async def _park(self, envelope: Envelope, payload: bytes, error: Exception, attempts: int, kind: str) -> None:
        """Dead letter and inbox row in one transaction, so that a redelivery finds it done."""
        async with self.sessions() as session:
            if kind != "expired":
                await session.execute(
                    INSERT,
                    {
                        "consumer": self.inbox.consumer,
                        "event_id": envelope.event_id,
                        "subject": envelope.subject,
                        "stream_seq": envelope.stream_seq,
                    },
                )
            await dead_letter.park(session, self.inbox.consumer, envelope, payload, error, attempts=attempts, kind=kind)
            await session.commit()

    async def _still_busy(self, message: Msg) -> None:
        while True:
            await asyncio.sleep(ACK_WAIT / 3)
            with contextlib.suppress(Exception):
                await message.in_progress()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _expired(error: Exception) -> bool:
    """An event older than the inbox's oldest day has no partition to go to (REL-30)."""
    return isinstance(error, DBAPIError) and sqlstate(error) == "23514" and "inbox" in str(error)
