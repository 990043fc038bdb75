"""Outbox -> JetStream: one active relay per service, in commit order per aggregate (REL-4 .. REL-12).

Rows are read below the horizon, under which every transaction has ended, never by "position greater than the
last one seen". What is published is remembered by the stored horizon after the broker's acknowledgement. A
stream that was made anew or lost its end gets the whole outbox again: consumers know what they have applied.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog
from nats.aio.client import Client

from services.chassis import bus, replay
from services.chassis.fault_points import reach
from services.chassis.metrics import Metrics
from services.chassis.publisher import Publisher
from services.chassis.remedies import Seldom
from services.chassis.tracing import Tracing

log = structlog.get_logger("relay")

LOCK = 7_301_002
SETTINGS = {"enable_seqscan": "off"}
"""Plans are kept for as long as it leads, whatever the size of the outbox was when they were made."""
BATCH = 1000
ROUND_SECONDS = 2.0
BUSY_PAUSE, IDLE_PAUSE = 0.05, 0.2
MANY, GATHER = 8, 0.02
"""A round of so many events is followed by one that gathers for a moment: each costs the database its looks."""
STANDBY_PAUSE = 0.25
"""How often a standby tries the lock: a relay that was drained is replaced within this time (OPS-18)."""
BEAT_SECONDS, BEAT_LIMIT = 5, 20
REMEMBERED = 100_000
"""Published rows behind an open one that are known without asking the broker; others it knows by their ids."""

_WINDOW = """
    with beyond as materialized (select e.aggregate_id, e.pos from outbox e where e.xid >= $3::text::xid8)
    select o.pos, o.xid::text as xid, o.aggregate_id, o.aggregate_version, o.subject, o.payload, o.headers,
           exists (select from beyond b where b.aggregate_id = o.aggregate_id and b.pos < o.pos) as held
    from outbox o where o.xid >= $1::text::xid8 and o.xid < $3::text::xid8 and o.pos > $2
    order by o.pos limit $4
"""
"""What lies beyond the horizon is little, so it is read once and not asked for with each row."""
_HORIZON = """
    select h.horizon::text as horizon,
           (select min(o.pos + 0) from outbox o where o.xid >= $1::text::xid8 and o.xid < h.horizon) as first
    from (select pg_snapshot_xmin(pg_current_snapshot()) as horizon offset 0) h
"""
"""The window's first row is looked for by transaction (`+ 0`: not by position), its pages go on by position."""
_NOTHING = 2**62
_BEAT = """
    insert into relay_lease (shard, pid, pod, beat_at) values ($1, pg_backend_pid(), $2, now())
    on conflict (shard) do update set pid = excluded.pid, pod = excluded.pod, beat_at = excluded.beat_at
"""
_POSITION = """
    select stored::text as stored, window_end::text as window_end, window_pos, stream_created, stream_seq
    from relay_position where shard = $1
"""
_STORE = """
    update relay_position
    set stored = $2::text::xid8, window_end = $3::text::xid8, window_pos = $4, stream_seq = $5 where shard = $1
"""
_STREAM = "update relay_position set stream_created = $2, stream_seq = $3 where shard = $1"
_SILENT = """
    select pg_terminate_backend(l.pid) from relay_lease l join pg_stat_activity a on a.pid = l.pid
    where l.shard = $1 and l.beat_at < now() - make_interval(secs => $2)
      and a.usename = current_user and a.pid <> pg_backend_pid()
"""


class Relay:
    """Publishes a service's outbox while it holds the lock; `wake` after a local commit."""

    def __init__(
        self,
        url: str,
        client: Callable[[], Client | None],
        stream: str,
        shard: int = 0,
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.url = url
        self.client = client
        self.stream = stream
        self.shard = shard
        self.leading = False
        self.published = 0
        self.held = 0
        """Rows that the last window held back."""
        self.publisher = Publisher(stream, metrics or Metrics(stream), str(shard), tracing or Tracing(stream))
        self._seldom = Seldom()
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._stored = 0
        self._begin(None)
        self._done: dict[int, int] = {}
        self._reconnects = -1
        self._missing = False
        self._last_count = 0
        """Events of the last round."""

    def wake(self) -> None:
        """There may be something to publish."""
        self._woken.set()

    def stop(self) -> None:
        """Finish the batch in hand, then let the lock go."""
        self._stopping.set()
        self._woken.set()

    async def run(self) -> None:
        """Lead whenever the lock is free, until stopped; a lost connection begins anew."""
        while not self._stopping.is_set():
            try:
                await self._session()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if self._seldom.due(repr(error)):
                    log.warning("relay lost its database", error=str(error))
            except Exception:
                # a driver that loses its server in mid-protocol raises what it calls internal errors; beginning
                # anew is safe, since what is published is known by its id (REL-9)
                log.exception("relay begins anew")
            self.leading = False
            await self._pause(1.0)

    async def _session(self) -> None:
        settings = {**SETTINGS, "application_name": f"relay {self.stream}"}
        connection = await asyncpg.connect(self.url, server_settings=settings, timeout=5)
        try:
            while not self._stopping.is_set():
                if await connection.fetchval("select pg_try_advisory_lock($1, $2)", LOCK, self.shard):
                    self.leading = True
                    await self._lead(connection)
                    return
                await self._end_silent_holder(connection)
                await self._pause(STANDBY_PAUSE)
        finally:
            self.leading = False
            with contextlib.suppress(Exception):
                await connection.close(timeout=2)

    async def _end_silent_holder(self, connection: Any) -> None:
        """A paused holder keeps the lock although it does nothing: its session is ended (REL-8)."""
        if await connection.fetchval(_SILENT, self.shard, BEAT_LIMIT):
            log.warning("relay ended the session of a silent holder", stream=self.stream)

    async def _lead(self, connection: Any) -> None:
        await self._resume(connection)
        beat = float(-BEAT_SECONDS)
        while not self._stopping.is_set():
            due = time.monotonic() - beat > BEAT_SECONDS
            if due:
                beat = time.monotonic()
                await connection.execute(_BEAT, self.shard, f"{socket.gethostname()}:{os.getpid()}")
            found = False
            if await self._sure_of_stream(connection, due):
                found = await self.round(connection)
                nc = self.client()
                if not found and nc is not None and nc.is_connected:
                    found = await replay.work(connection, self.publisher, nc, self._stored)
            if self._last_count >= MANY and not self._stopping.is_set():
                await asyncio.sleep(GATHER)
            await self._pause(BUSY_PAUSE if found else IDLE_PAUSE)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        if not self._stopping.is_set():
            self._woken.clear()

    # --- the stream -----------------------------------------------------------------------------------------

    async def _sure_of_stream(self, connection: Any, due: bool) -> bool:
        """Whether the stream is there; one that was made anew or lost its end gets the outbox again (REL-89).

        Asked with each beat, after a reconnect, and when an acknowledgement was not as expected.
        """
        nc = self.client()
        if nc is None or not nc.is_connected:
            return False
        reconnects = nc.stats["reconnects"]
        if not (due or self._missing or self.publisher.doubtful or reconnects != self._reconnects):
            return True
        live = await bus.standing_of(nc, self.stream)
        if live is None:
            if not self._missing:
                log.error("the stream is missing; `plantops nats apply` makes it", stream=self.stream)
            self._missing = True
            return False
        self._reconnects, self._missing, self.publisher.doubtful = reconnects, False, False
        known = await connection.fetchrow(_POSITION, self.shard)
        sequence = max(known["stream_seq"], self.publisher.sequence)
        if known["stream_created"] is None:  # the first time that this database meets a stream
            await connection.execute(_STREAM, self.shard, live.created, live.last)
        elif known["stream_created"] != live.created or live.last < sequence:
            why = "lost its end" if known["stream_created"] == live.created else "is a new one"
            log.warning("the outbox is published again", stream=self.stream, why=why, last=live.last, known=sequence)
            async with connection.transaction():
                await connection.execute(_STREAM, self.shard, live.created, live.last)
                await connection.execute(_STORE, self.shard, "0", None, -1, live.last)
            self._stored, self._done = 0, {}
            self._begin(None)
        self.publisher.sequence = live.last
        return True

    # --- the window -----------------------------------------------------------------------------------------

    async def _resume(self, connection: Any) -> None:
        """Go on where the last leader stood."""
        known = await connection.fetchrow(_POSITION, self.shard)
        self._stored, self._done, self._reconnects = int(known["stored"]), {}, -1
        self._begin(int(known["window_end"]) if known["window_end"] else None, known["window_pos"])

    def _begin(self, end: int | None, last: int = -1) -> None:
        """A window ends at a horizon; what it could not publish is open, and holds its aggregate back."""
        self._end = end
        self._last = last
        self._open = end or 0
        self._failed: set[str] = set()

    async def round(self, connection: Any) -> bool:
        """Publish the window between the stored and the present horizon, or its next part; whether it published."""
        nc = self.client()
        if nc is None or not nc.is_connected:
            return False
        ends = time.monotonic() + ROUND_SECONDS
        if self._end is None:
            found = await connection.fetchrow(_HORIZON, str(self._stored))
            self._begin(int(found["horizon"]), _NOTHING if found["first"] is None else found["first"] - 1)
            self.held = 0
        assert self._end is not None
        sent = 0
        whole = False
        while not whole:
            rows = await connection.fetch(_WINDOW, str(self._stored), self._last, str(self._end), BATCH)
            sent += await self._part(nc, rows)
            whole = len(rows) < BATCH
            if self.publisher.doubtful or self._stopping.is_set() or time.monotonic() > ends:
                break
        self.published += sent
        self._last_count = sent
        if whole:
            self._stored = self._open
            self._done = {pos: xid for pos, xid in self._done.items() if xid >= self._stored}
            self._begin(None)
            if sent:
                await reach("relay.after_publish_before_store")
                await self._store(connection)
                await reach("relay.after_store")
        elif self._open == self._end:  # nothing is open: a successor may go on from here
            await self._store(connection)
        return sent > 0

    async def _part(self, nc: Client, rows: list[Any]) -> int:
        """Publish a page of the window; how many rows the broker acknowledged."""
        ready = []
        for row in rows:
            if row["pos"] in self._done:
                continue
            if row["held"] or row["aggregate_id"] in self._failed:
                self._keep_open(row)
                self.held += row["held"]
            else:
                ready.append(row)
        if ready:
            await reach("relay.before_publish")
        done = await self.publisher.publish(nc, ready)
        for row in ready:
            if row["pos"] not in done:
                self._keep_open(row)
            elif len(self._done) < REMEMBERED:
                self._done[row["pos"]] = int(row["xid"])
        if rows:
            self._last = rows[-1]["pos"]
        return len(done)

    def _keep_open(self, row: Any) -> None:
        self._failed.add(row["aggregate_id"])
        self._open = min(self._open, int(row["xid"]))

    async def _store(self, connection: Any) -> None:
        end = None if self._end is None else str(self._end)
        await connection.execute(_STORE, self.shard, str(self._stored), end, self._last, self.publisher.sequence)
