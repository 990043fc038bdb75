"""G11: events per second through the relay's atomic batches, against awaited single publishes of the same rows.

Both read the rows from the database and publish them to a stream of a broker that writes each message through to
disk; the relay also stores its position. What lies in the stream afterwards is compared, in order.
"""

import asyncio
import hashlib
import json
import time
from typing import Any
from uuid import uuid4

import asyncpg
from nats.js.api import AckPolicy, ConsumerConfig

from services.chassis import bus
from services.chassis.relay import Relay
from tests.load.measure import Goal, Report, Turn, compare, own_seconds
from tests.load.stage import Stage, until

EVENTS = 2000
STREAM, SUBJECT, SHARD = "BENCH", "bench.materials.v1.MovementPosted", 9
KEYS = 200
"""Aggregates that the events belong to."""
GOAL = Goal("G11", "relay, awaited single publishes", "events/s", must=5, aim=10)

_INSERT = """
    insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation, subject,
                        payload, headers, occurred_at)
    select entry.event_id, 'MovementPosted', 'sites/hamburg/movements/m' || entry.place % $4, entry.place, 'hamburg',
           'sites/hamburg/workOrders/w', $2, $3,
           jsonb_build_object('Nats-Msg-Id', entry.event_id, 'ce-id', entry.event_id, 'ce-source', '/plantops/bench',
                              'ce-type', 'plantops.materials.v1.MovementPosted', 'plantops-site', 'hamburg',
                              'plantops-aggregate', 'sites/hamburg/movements/m' || entry.place % $4,
                              'plantops-version', entry.place::text, 'plantops-actor', 'people/boss'), now()
    from unnest($1::uuid[]) with ordinality as entry(event_id, place)
    returning pos
"""


class Bench:
    """One stream that is made anew for each turn, and the rows of a round."""

    def __init__(self, found: Stage, nc: Any, connection: Any) -> None:
        self.stage, self.nc, self.connection = found, nc, connection

    async def rows(self) -> list[Any]:
        """Write the round's events in one transaction; gives them in their order."""
        made = await self.connection.fetch(_INSERT, [uuid4() for _ in range(EVENTS)], SUBJECT, b"x" * 300, KEYS)
        first = min(row["pos"] for row in made)
        query = "select pos, subject, payload, headers from outbox where pos >= $1 order by pos"
        rows: list[Any] = await self.connection.fetch(query, first)
        return rows

    async def fresh_stream(self) -> None:
        """An empty stream that has seen no message id."""
        await self.nc.request(f"$JS.API.STREAM.DELETE.{STREAM}", b"", timeout=30)
        config = {"name": STREAM, "subjects": ["bench.>"], "allow_atomic": True, "storage": "file"}
        answer = await self.nc.request(f"$JS.API.STREAM.CREATE.{STREAM}", json.dumps(config).encode(), timeout=30)
        assert "error" not in json.loads(answer.data), answer.data
        forget = "update relay_position set stream_created = null, stream_seq = 0 where shard = $1"
        await self.connection.execute(forget, SHARD)  # else the relay would fill the new stream from the beginning

    async def content(self) -> tuple[int, str]:
        """How many events lie in the stream, and a digest over place, version and payload in the order of each key."""
        js = self.nc.jetstream()
        count = (await js.stream_info(STREAM)).state.messages
        pull = await js.pull_subscribe("bench.>", stream=STREAM, config=ConsumerConfig(ack_policy=AckPolicy.NONE))
        keys: dict[str, Any] = {}
        left = count
        while left > 0:
            for message in await pull.fetch(min(500, left), timeout=30):
                key = message.headers["plantops-aggregate"]
                part = message.headers["plantops-version"].encode() + message.data
                keys.setdefault(key, hashlib.sha256()).update(part)
                left -= 1
        await pull.unsubscribe()
        whole = hashlib.sha256("".join(f"{key}{keys[key].hexdigest()}" for key in sorted(keys)).encode())
        return count, whole.hexdigest()

    async def relay(self, number: int) -> Turn:
        """The relay as it runs in a service: it leads, is woken after the commit, and stores its position."""
        await self.fresh_stream()
        relay = Relay(self.stage.urls("materials").relay, lambda: self.nc, STREAM, SHARD)
        running = asyncio.ensure_future(relay.run())
        await until(lambda: relay.leading, 0.01)
        await asyncio.sleep(0.3)  # it has seen that there is nothing
        await self.rows()
        began, used = time.perf_counter(), own_seconds()
        relay.wake()
        await until(lambda: relay.published >= EVENTS, 0.001)
        seconds, cpu = time.perf_counter() - began, own_seconds() - used
        relay.stop()
        await running
        return Turn(EVENTS / seconds, await self.content(), EVENTS, cpu / EVENTS * 1e6)

    async def singles(self, number: int) -> Turn:
        """The naive relay: the rows one after the other, each awaited."""
        await self.fresh_stream()
        rows = await self.rows()
        js = self.nc.jetstream()
        began, used = time.perf_counter(), own_seconds()
        query = "select subject, payload, headers from outbox where pos >= $1 order by pos"
        for row in await self.connection.fetch(query, rows[0]["pos"]):
            await js.publish(row["subject"], row["payload"], headers=json.loads(row["headers"]), timeout=30)
        seconds, cpu = time.perf_counter() - began, own_seconds() - used
        horizon = "update relay_position set stored = pg_snapshot_xmin(pg_current_snapshot()) where shard = $1"
        await self.connection.execute(horizon, SHARD)  # the relay's turn begins behind these rows
        return Turn(EVENTS / seconds, await self.content(), EVENTS, cpu / EVENTS * 1e6)


async def run(found: Stage) -> list[Report]:
    """Compare both."""
    nc = await bus.connect(found.engines.nats_url, "bench@0", wait=10)
    connection = await asyncpg.connect(found.superuser("materials"))
    start = "insert into relay_position select $1, pg_snapshot_xmin(pg_current_snapshot())"
    await connection.execute(start, SHARD)
    bench = Bench(found, nc, connection)
    try:
        return [await compare(GOAL, bench.relay, bench.singles)]
    finally:
        await connection.close()
        await nc.close()
