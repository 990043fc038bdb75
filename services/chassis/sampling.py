"""What has to be asked for: gauges that need the database or the broker, sampled every few seconds (OPS-41).

Each source has one task and a constant number of questions, however many scrape. A sample that fails takes its
gauges away rather than leave old values standing, and touches neither readiness nor liveness (OPS-16).
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from nats.aio.client import Client
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from services.chassis.metrics import Labels, Metrics

log = structlog.get_logger("sampling")

EVERY_SECONDS = 5.0
LIMIT_SECONDS = 4.0
"""The longest that one sample may take."""
LAG_SECONDS = 0.2
PARKED_CLASSES = ("poison", "gap", "expired", "exhausted")
_ADVISORIES = {"MAX_DELIVERIES": "max_deliveries", "MSG_TERMINATED": "terminated"}

_CLOCKS = text("""
    select extract(epoch from clock_timestamp()) as now, pg_snapshot_xmin(pg_current_snapshot())::text as horizon,
           pg_snapshot_xmax(pg_current_snapshot())::text as next,
           (select extract(epoch from max(clock_timestamp() - xact_start)) from pg_stat_activity
            where datname = current_database() and usename = current_user and backend_xid is not null) as writer
""")
_OUTBOX = text("""
    with open as (
        select o.recorded_at from outbox o, relay_position p
        where p.shard = 0 and o.xid >= p.stored
          and not (o.xid < coalesce(p.window_end, '0') and o.pos <= p.window_pos)
        order by o.xid limit 100000)
    select count(*) as unpublished, extract(epoch from clock_timestamp() - min(recorded_at)) as oldest from open
""")
_RECEIVED = text("""
    select 'waiting' as what, consumer, '' as class, count(*) as number,
           extract(epoch from clock_timestamp() - min(received_at)) as oldest
    from waiting_event group by consumer
    union all
    select 'parked', consumer, class, count(*), extract(epoch from clock_timestamp() - min(parked_at))
    from dead_letter where state = 'PARKED' group by consumer, class
""")
_PARTITIONS = text("""
    select parent.relname as name,
           to_date(max(substring(child.relname from '_p(\\d{8})$')), 'YYYYMMDD')
               - (now() at time zone 'utc')::date as ahead
    from pg_inherits i join pg_class parent on parent.oid = i.inhparent join pg_class child on child.oid = i.inhrelid
    where parent.relkind = 'p' and parent.relnamespace = 'public'::regnamespace
      and child.relname ~ '_p\\d{8}$'
    group by parent.relname
""")

_OF_DATABASE = (
    "plantops_clock_skew_seconds", "plantops_db_oldest_writer_seconds", "plantops_outbox_horizon_seconds",
    "plantops_outbox_unpublished", "plantops_outbox_oldest_seconds", "plantops_event_waiting",
    "plantops_event_waiting_oldest_seconds", "plantops_dead_letters", "plantops_dead_letter_oldest_seconds",
    "plantops_partitions_ahead_days",
)  # fmt: skip
_OF_BROKER = (
    "plantops_consumer_pending", "plantops_consumer_ack_pending", "plantops_consumer_floor_lag",
    "plantops_consumer_last_delivery_seconds",
)  # fmt: skip


class Horizon:
    """For how long one writing transaction has kept the lowest active transaction id where it is.

    Seen from outside: the id stays while later ones are given. Sessions of other roles and databases hold it as
    well (REL-6), and this needs no right to look at them. The age is at most one sample too short.
    """

    def __init__(self) -> None:
        self._at = -1
        self._since = 0.0

    def age(self, horizon: int, following: int, now: float) -> float:
        """Seconds, 0 when nothing holds it; `following` is the next id to be given."""
        if horizon >= following or horizon != self._at:
            self._at, self._since = horizon, now
        return now - self._since


class Sampler:
    """The tasks of one service; `start`, then `stop`."""

    def __init__(
        self,
        metrics: Metrics,
        sessions: async_sessionmaker[AsyncSession],
        client: Callable[[], Client | None],
        consumers: Sequence[tuple[str, str]],
    ) -> None:
        self.metrics = metrics
        self.sessions = sessions
        self.client = client
        self.consumers = list(consumers)
        self._horizon = Horizon()
        self._advised: dict[str, int] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to sample."""
        for work in (
            self._repeat("database", self.database, _OF_DATABASE),
            self._repeat("broker", self.broker, _OF_BROKER),
            loop_lag(self.metrics),
        ):
            self._tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """End the tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _repeat(self, part: str, sample: Callable[[], Awaitable[None]], names: Sequence[str]) -> None:
        failed = False
        while True:
            try:
                async with asyncio.timeout(LIMIT_SECONDS):
                    await sample()
                failed = False
            except Exception as error:
                for name in names:
                    self.metrics.replace(name, {})
                if not failed:
                    log.warning("nothing to sample", part=part, error=repr(error))
                failed = True
            await asyncio.sleep(EVERY_SECONDS)

    async def database(self) -> None:
        """Four statements in one transaction."""
        put = self.metrics.replace
        async with self.sessions() as session:
            await session.connection()
            before = time.time()
            clocks = (await session.execute(_CLOCKS)).one()
            local = (before + time.time()) / 2
            outbox = (await session.execute(_OUTBOX)).one()
            received = (await session.execute(_RECEIVED)).all()
            partitions = (await session.execute(_PARTITIONS)).all()
        age = self._horizon.age(int(clocks.horizon), int(clocks.next), time.monotonic())
        put("plantops_clock_skew_seconds", {(): float(clocks.now) - local})
        put("plantops_db_oldest_writer_seconds", {(): float(clocks.writer or 0)})
        put("plantops_outbox_horizon_seconds", {(): age})
        put("plantops_outbox_unpublished", {(): outbox.unpublished})
        put("plantops_outbox_oldest_seconds", {(): max(0.0, float(outbox.oldest or 0))})
        put("plantops_partitions_ahead_days", {(row.name,): row.ahead for row in partitions})
        waiting: dict[Labels, tuple[float, float]] = {pair: (0, 0) for pair in self.consumers}
        parked: dict[Labels, tuple[float, float]] = {
            (consumer, kind): (0, 0) for _, consumer in self.consumers for kind in PARKED_CLASSES
        }
        streams = {consumer: stream for stream, consumer in self.consumers}
        for row in received:
            figures = (row.number, max(0.0, float(row.oldest)))
            if row.what == "parked":
                parked[row.consumer, row[2]] = figures
            elif row.consumer in streams:
                waiting[streams[row.consumer], row.consumer] = figures
        put("plantops_event_waiting", {key: number for key, (number, _) in waiting.items()})
        put("plantops_event_waiting_oldest_seconds", {key: oldest for key, (_, oldest) in waiting.items()})
        put("plantops_dead_letters", {key: number for key, (number, _) in parked.items()})
        put("plantops_dead_letter_oldest_seconds", {key: oldest for key, (_, oldest) in parked.items()})

    async def broker(self) -> None:
        """One question for each consumer, one for the advisories."""
        nc = self.client()
        if nc is None or not nc.is_connected:
            raise ConnectionError("the broker is not connected")
        found: dict[str, dict[Labels, float]] = {name: {} for name in _OF_BROKER}
        for stream, consumer in self.consumers:
            info = await _ask(nc, f"CONSUMER.INFO.{stream}.{consumer}")
            for name, value in zip(_OF_BROKER, consumer_figures(info), strict=True):
                found[name][stream, consumer] = value
        for name, values in found.items():
            self.metrics.replace(name, values)
        await self._advisories(nc)

    async def _advisories(self, nc: Client) -> None:
        """The stream keeps 30 days; what is counted is what came since this process looks (REL-22)."""
        info = await _ask(nc, "STREAM.INFO.ADVISORIES", {"subjects_filter": ">"})
        now = dict.fromkeys(_ADVISORIES.values(), 0)
        for subject, number in (info["state"].get("subjects") or {}).items():
            kind = _ADVISORIES.get(subject.split(".")[4] if subject.count(".") > 4 else "")
            if kind:
                now[kind] += int(number)
        for kind, number in now.items():
            before = number if self._advised is None else self._advised.get(kind, 0)
            self.metrics.inc("plantops_advisories_total", kind, by=max(0, number - before))
        self._advised = now


def consumer_figures(info: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Not delivered, not acknowledged, behind the floor, seconds since the last delivery; all by the broker's clock."""
    last = info["delivered"].get("last_active") or info["created"]
    silent = _instant(info["ts"]) - _instant(last)
    lag = int(info["delivered"]["stream_seq"]) - int(info["ack_floor"]["stream_seq"])
    return int(info["num_pending"]), int(info["num_ack_pending"]), max(0, lag), max(0.0, silent)


def _instant(value: str) -> float:
    """Seconds since 1970 of the broker's RFC 3339 with nine digits."""
    whole, _, rest = value.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp() + float(f"0.{rest or 0}")


async def _ask(nc: Client, subject: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
    answer = await nc.request(f"$JS.API.{subject}", json.dumps(content).encode() if content else b"", timeout=2)
    found: dict[str, Any] = json.loads(answer.data)
    if "error" in found:
        raise LookupError(f"{subject}: {found['error'].get('description')}")
    return found


async def loop_lag(metrics: Metrics) -> None:
    """By how much a sleep of LAG_SECONDS is late, for ever (REL-78)."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            due = loop.time() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            metrics.observe("plantops_loop_lag_seconds", loop.time() - due)
