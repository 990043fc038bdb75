"""G12: how fast the relay of a running service drains its outbox, against the fastest way of filling it."""

import asyncio
import time
from typing import Any

import asyncpg

from tests.load import store
from tests.load.bench_posting import BATCH, batch_of
from tests.load.measure import Goal, Report, Side, Turn, compare
from tests.load.stage import Caller, Stage, service_process

ITEMS = 200
IN_FLIGHT, ROUNDS = 2, 3
"""Batches that wait together, so that the service has one to go on with, and how many come one after the other."""
EVENTS = IN_FLIGHT * ROUNDS * BATCH
"""Events of a turn: one of each movement."""
GOAL = Goal("G12", "relay drain, the fastest posting", "events/s", must=1.2, aim=1.5)

_EVENTS = """
    with one as (select * from outbox where aggregate_type = 'MovementPosted' order by pos desc limit 1),
    given as (select gen_random_uuid() as id, o.* from generate_series(1, $1::int) n, one o),
    told as (
      insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation, subject,
                          payload, headers, occurred_at)
      select id, aggregate_type, 'sites/' || site || '/movements/' || id, aggregate_version, site, correlation, subject,
             payload, headers || jsonb_build_object('Nats-Msg-Id', id, 'ce-id', id), now()
      from given)
    select pg_current_xact_id()::text
"""
"""Events as those of the last movement, committed at once."""
_LAST = "select xid::text from outbox order by pos desc limit 1"
"""The transaction of the last event: the relay stores its position where it has published something."""
_DRAINED = "select stored > $1::text::xid8 from relay_position where shard = 0"


async def run(found: Stage) -> list[Report]:
    """Post, drain, and compare."""
    connection = await asyncpg.connect(found.superuser("materials"))
    await store.build(connection)
    items = await store.items(connection, "part", ITEMS)
    await connection.execute("analyze")
    async with service_process(found, "materials") as (_, caller):
        await caller(batch_of(items))  # warm, and the first events
        report = await compare(GOAL, _drain(connection), _posting(connection, caller, items))
    await connection.close()
    return [report]


async def _drained(connection: Any, xid: str) -> None:
    while not await connection.fetchval(_DRAINED, xid):  # noqa: ASYNC110 - another process drains
        await asyncio.sleep(0.01)


def _drain(connection: Any) -> Side:
    async def side(number: int) -> Turn:
        xid = await connection.fetchval(_EVENTS, EVENTS)
        began = time.perf_counter()
        await _drained(connection, xid)
        return Turn(EVENTS / (time.perf_counter() - began), None, EVENTS)

    return side


def _posting(connection: Any, caller: Caller, items: list[str]) -> Side:
    """Batches through gRPC. What they tell is published before the turn ends: the relay's next one begins with none."""

    async def one_after_the_other() -> None:
        for _ in range(ROUNDS):
            answer = await caller(batch_of(items))
            assert all(outcome.HasField("movement") for outcome in answer.outcomes), answer.outcomes[0]

    async def side(number: int) -> Turn:
        began = time.perf_counter()
        await asyncio.gather(*(one_after_the_other() for _ in range(IN_FLIGHT)))
        seconds = time.perf_counter() - began
        await _drained(connection, await connection.fetchval(_LAST))
        return Turn(EVENTS / seconds, None, EVENTS)

    return side
