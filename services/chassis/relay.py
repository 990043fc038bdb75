"""Outbox -> JetStream: one active relay per service, in commit order per aggregate (REL-4 .. REL-12).

Rows are read below the horizon, under which every transaction has ended, never by "position greater than the
last one seen". What is published is remembered by the stored horizon after the broker's acknowledgement.
"""

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import asyncpg
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from services.chassis.fault_points import reach
from services.chassis.metrics import Metrics

log = structlog.get_logger("relay")

LOCK = 7_301_002
BATCH = 1000
ROUND_SECONDS = 2.0
PUBLISH_SECONDS = 1.0
BUSY_PAUSE, IDLE_PAUSE = 0.05, 0.2
BEAT_SECONDS, BEAT_LIMIT = 5, 20
PARALLEL = 64

_WINDOW = """
    with s as materialized (select pg_snapshot_xmin(pg_current_snapshot()) as now_h), w as (
        select coalesce($3::text::xid8, now_h) as h, now_h from s)
    select o.pos, o.xid::text as xid, o.aggregate_id, o.aggregate_version, o.subject, o.payload, o.headers,
           exists (select 1 from outbox e
                   where e.xid >= w.now_h and e.aggregate_id = o.aggregate_id and e.pos < o.pos) as held
    from outbox o, w where o.xid >= $1::text::xid8 and o.xid < w.h and o.pos > $2
    order by o.pos limit $4
"""
_HORIZON = "select pg_snapshot_xmin(pg_current_snapshot())::text"


class Relay:
    """Publishes a service's outbox while it holds the lock; `wake` after a local commit."""

    def __init__(
        self,
        url: str,
        client: Callable[[], Client | None],
        stream: str,
        shard: int = 0,
        metrics: Metrics | None = None,
    ) -> None:
        self.metrics = metrics or Metrics(stream)
        self.held = 0
        self.url = url
        self.client = client
        self.stream = stream
        self.shard = shard
        self.leading = False
        self.published = 0
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._stored = 0
        self._done: set[int] = set()

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
                log.warning("relay lost its database", error=str(error))
            except Exception:
                # a driver that loses its server in mid-protocol raises what it calls internal errors; beginning
                # anew is safe, since what is published is known by its id (REL-9)
                log.exception("relay begins anew")
            self.leading = False
            await self._pause(1.0)

    async def _session(self) -> None:
        connection = await asyncpg.connect(
            self.url, server_settings={"application_name": f"relay {self.stream}"}, timeout=5
        )
        try:
            while not self._stopping.is_set():
                if await connection.fetchval("select pg_try_advisory_lock($1, $2)", LOCK, self.shard):
                    self.leading = True
                    await self._lead(connection)
                    return
                await self._end_silent_holder(connection)
                await self._pause(1.0)
        finally:
            self.leading = False
            with contextlib.suppress(Exception):
                await connection.close(timeout=2)

    async def _end_silent_holder(self, connection: Any) -> None:
        """A paused holder keeps the lock although it does nothing: its session is ended (REL-8)."""
        ended = await connection.fetchval(
            "select pg_terminate_backend(l.pid) from relay_lease l join pg_stat_activity a on a.pid = l.pid "
            "where l.shard = $1 and l.beat_at < now() - make_interval(secs => $2) "
            "and a.usename = current_user and a.pid <> pg_backend_pid()",
            self.shard,
            BEAT_LIMIT,
        )
        if ended:
            log.warning("relay ended the session of a silent holder", stream=self.stream)

    async def _lead(self, connection: Any) -> None:
        stored = await connection.fetchval("select stored::text from relay_position where shard = $1", self.shard)
        self._stored, self._done = int(stored), set()
        beat = 0.0
        while not self._stopping.is_set():
            if time.monotonic() - beat > BEAT_SECONDS:
                beat = time.monotonic()
                await connection.execute(
                    "insert into relay_lease (shard, pid, pod, beat_at) "
                    "values ($1, pg_backend_pid(), $2, now()) on conflict (shard) do update "
                    "set pid = excluded.pid, pod = excluded.pod, beat_at = excluded.beat_at",
                    self.shard,
                    f"{socket.gethostname()}:{os.getpid()}",
                )
            found = await self.round(connection)
            await self._pause(BUSY_PAUSE if found else IDLE_PAUSE)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        if not self._stopping.is_set():
            self._woken.clear()

    async def round(self, connection: Any) -> bool:
        """Publish the window between the stored and the present horizon; whether anything was published."""
        nc = self.client()
        if nc is None or not nc.is_connected:
            return False
        ends = time.monotonic() + ROUND_SECONDS
        horizon: str = await connection.fetchval(_HORIZON)
        last, open_xids, sent, held = -1, [], 0, 0
        failed: set[str] = set()
        while True:
            rows = await connection.fetch(_WINDOW, str(self._stored), last, horizon, BATCH)
            ready = []
            for row in rows:
                if row["pos"] in self._done:
                    continue
                held += row["held"]
                if row["held"] or row["aggregate_id"] in failed:
                    failed.add(row["aggregate_id"])
                    open_xids.append(int(row["xid"]))
                else:
                    ready.append(row)
            if ready:
                await reach("relay.before_publish")
            done = await self._publish(nc, ready)
            sent += len(done)
            self._done |= done
            for row in ready:
                if row["pos"] not in done:
                    failed.add(row["aggregate_id"])
                    open_xids.append(int(row["xid"]))
            if len(rows) < BATCH:
                break
            last = rows[-1]["pos"]
            if time.monotonic() > ends:
                open_xids.append(int(rows[-1]["xid"]))
                open_xids.append(self._stored)
                break
        self.published += sent
        self.held = held
        stored = min([int(horizon), *open_xids])
        if sent:
            await reach("relay.after_publish_before_store")
            await connection.execute(
                "update relay_position set stored = $2::text::xid8 where shard = $1", self.shard, str(stored)
            )
            await reach("relay.after_store")
        self._stored = stored
        if not open_xids:
            self._done.clear()
        return sent > 0

    async def _publish(self, nc: Client, rows: Sequence[Any]) -> set[int]:
        """Positions that the broker has acknowledged."""
        if len(rows) > 1:
            if await self._atomic(nc, rows):
                return {row["pos"] for row in rows}
            self.metrics.inc("plantops_relay_batch_fallbacks_total", str(self.shard))
        keys: dict[str, list[Any]] = {}
        for row in rows:
            keys.setdefault(row["aggregate_id"], []).append(row)
        limit = asyncio.Semaphore(PARALLEL)

        async def serial(mine: list[Any]) -> list[int]:
            done: list[int] = []
            async with limit:
                for row in mine:
                    if not await self._single(nc, row):
                        break
                    done.append(row["pos"])
            return done

        found = await asyncio.gather(*(serial(mine) for mine in keys.values()))
        return {pos for done in found for pos in done}

    async def _single(self, nc: Client, row: Any) -> bool:
        if not nc.is_connected:
            return False
        headers = {**json.loads(row["headers"]), "Nats-Expected-Stream": self.stream}
        began = time.perf_counter()
        try:
            answer = await nc.request(row["subject"], row["payload"], timeout=PUBLISH_SECONDS, headers=headers)
        except (NatsError, TimeoutError, OSError) as error:
            log.warning("publish not acknowledged", subject=row["subject"], error=repr(error))
            return False
        self.metrics.observe("plantops_relay_publish_seconds", time.perf_counter() - began, str(self.shard))
        return self._accepted(row["subject"], answer.data)

    async def _atomic(self, nc: Client, rows: Sequence[Any]) -> bool:
        """All in one JetStream batch or none; False for a known message id or any other refusal (REL-9)."""
        batch = str(uuid4())
        began = time.perf_counter()
        try:
            for number, row in enumerate(rows, 1):
                headers = json.loads(row["headers"])
                headers |= {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
                headers["Nats-Expected-Stream"] = self.stream
                if number < len(rows):
                    await nc.publish(row["subject"], row["payload"], headers=headers)
                else:
                    headers["Nats-Batch-Commit"] = "1"
                    answer = await nc.request(row["subject"], row["payload"], timeout=PUBLISH_SECONDS, headers=headers)
        except (NatsError, TimeoutError, OSError) as error:
            log.warning("batch not acknowledged", count=len(rows), error=repr(error))
            return False
        self.metrics.observe("plantops_relay_publish_seconds", time.perf_counter() - began, str(self.shard))
        content = json.loads(answer.data or b"{}")
        return "error" not in content and content.get("stream") == self.stream

    def _accepted(self, subject: str, data: bytes) -> bool:
        content = json.loads(data or b"{}")
        if "error" in content or content.get("stream") != self.stream:
            log.error("publish refused", subject=subject, error=str(content.get("error")))
            return False
        if content.get("duplicate") is True:
            self.metrics.inc("plantops_relay_duplicates_total", str(self.shard))
        return True
