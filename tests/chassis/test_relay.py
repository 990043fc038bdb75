"""The relay in trouble: a silent holder, a key that cannot be published, a broker that is away, partitions."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import psycopg
import pytest

from cli.engines import Engines
from services.chassis import bus
from services.chassis import relay as relays
from services.chassis.relay import LOCK, Relay
from services.chassis.serve import Process, keep_house
from tests.plant import superuser

STREAM, SHARD = "RELAYTEST", 7


@pytest.fixture
def look(bootstrapped: Engines, process: Process) -> Iterator[psycopg.Connection[Any]]:
    with superuser(bootstrapped, "sample") as connection:
        horizon = connection.execute("select pg_snapshot_xmin(pg_current_snapshot())::text").fetchone()
        assert horizon is not None
        connection.execute("insert into relay_position values (%s, %s::xid8)", [SHARD, horizon[0]])
        yield connection
        connection.execute("delete from relay_position where shard = %s", [SHARD])
        connection.execute("delete from relay_lease where shard = %s", [SHARD])


@pytest.fixture
async def nc(engines: Engines) -> AsyncIterator[Any]:
    client = await bus.connect(engines.nats_url, "relay@0", wait=10)
    await client.request(f"$JS.API.STREAM.DELETE.{STREAM}", b"")
    config = {"name": STREAM, "subjects": ["relaytest.>"], "allow_atomic": True, "storage": "file"}
    answer = json.loads((await client.request(f"$JS.API.STREAM.CREATE.{STREAM}", json.dumps(config).encode())).data)
    assert "error" not in answer, answer
    yield client
    await client.close()


def insert(look: psycopg.Connection[Any], aggregate: str, version: int) -> None:
    event_id = uuid4()
    headers = {"Nats-Msg-Id": str(event_id), "plantops-aggregate": aggregate, "plantops-version": str(version)}
    look.execute(
        "insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation, subject,"
        " payload, headers, occurred_at) values (%s, 'T', %s, %s, '_', 'c', 'relaytest.x', '', %s, now())",
        [event_id, aggregate, version, json.dumps(headers)],
    )


async def published(nc: Any) -> list[str]:
    found = []
    for number in range(1, (await nc.jetstream().stream_info(STREAM)).state.last_seq + 1):
        headers = (await nc.jetstream().get_msg(STREAM, number)).headers
        found.append(f"{headers['plantops-aggregate']}:{headers['plantops-version']}")
    return found


async def leading(relay: Relay, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while True:
                if relay.leading:
                    return True
                await asyncio.sleep(0.02)
    except TimeoutError:
        return False


@pytest.mark.rule("REL-8")
async def test_a_silent_holder_loses_its_session_and_one_that_beats_keeps_it(
    process: Process, look: psycopg.Connection[Any], nc: Any
) -> None:
    holder = await asyncpg.connect(process.relay.url)
    await holder.execute("select pg_advisory_lock($1, $2)", LOCK, SHARD)
    await holder.execute("insert into relay_lease values ($1, pg_backend_pid(), 'frozen', now())", SHARD)
    standby = Relay(process.relay.url, lambda: nc, STREAM, SHARD)
    running = asyncio.ensure_future(standby.run())
    try:
        assert not await leading(standby, 1.5)
        assert await holder.fetchval("select 1") == 1
        look.execute("update relay_lease set beat_at = now() - interval '21 s' where shard = %s", [SHARD])
        assert await leading(standby, 10)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await holder.fetchval("select 1")
        beats = "select pod <> 'frozen' and beat_at > now() - interval '5 s' from relay_lease where shard = 7"
        async with asyncio.timeout(10):
            while True:
                if look.execute(beats).fetchone() == (True,):
                    break
                await asyncio.sleep(0.02)
    finally:
        standby.stop()
        await running
        await holder.close(timeout=2)


@pytest.mark.rule("REL-10")
async def test_the_first_failure_of_a_key_stops_that_key_alone(
    process: Process, look: psycopg.Connection[Any], nc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay(process.relay.url, lambda: nc, STREAM, SHARD)
    connection = await asyncpg.connect(process.relay.url)
    relay._stored = int(await connection.fetchval("select stored::text from relay_position where shard = $1", SHARD))
    single, tried = relay.publisher._single, []
    broken = True

    async def failing(client: Any, row: Any) -> bool:
        tried.append(f"{row['aggregate_id']}:{row['aggregate_version']}")
        return not (broken and tried[-1] == "a:1") and await single(client, row)

    async def no_batch(client: Any, rows: Any) -> set[int]:
        return set()

    monkeypatch.setattr(relay.publisher, "_single", failing)
    monkeypatch.setattr(relay.publisher, "_atomic", no_batch)
    for aggregate, version in (("a", 1), ("a", 2), ("b", 1), ("b", 2)):
        insert(look, aggregate, version)
    assert await relay.round(connection)
    assert await published(nc) == ["b:1", "b:2"]
    assert "a:2" not in tried
    broken = False
    assert await relay.round(connection)
    assert await published(nc) == ["b:1", "b:2", "a:1", "a:2"]
    await connection.close()


@pytest.mark.rule("REL-11")
async def test_nothing_is_published_while_the_broker_is_away(
    process: Process, look: psycopg.Connection[Any], nc: Any
) -> None:
    class Away:
        is_connected = False

    connection = await asyncpg.connect(process.relay.url)
    client: Any = Away()
    relay = Relay(process.relay.url, lambda: client, STREAM, SHARD)
    relay._stored = int(await connection.fetchval("select stored::text from relay_position where shard = $1", SHARD))
    insert(look, "a", 1)
    assert not await relay.round(connection)  # a method of a client that is away would fail here
    client = nc
    assert await relay.round(connection)
    assert await published(nc) == ["a:1"]
    await connection.close()


async def test_what_was_published_before_the_position_was_stored_comes_once(
    process: Process, look: psycopg.Connection[Any], nc: Any
) -> None:
    connection = await asyncpg.connect(process.relay.url)
    stored = int(await connection.fetchval("select stored::text from relay_position where shard = $1", SHARD))
    insert(look, "a", 1)
    insert(look, "a", 2)
    for _ in range(2):  # the second relay begins where the first one began
        relay = Relay(process.relay.url, lambda: nc, STREAM, SHARD)
        relay._stored = stored
        await relay.round(connection)
    assert await published(nc) == ["a:1", "a:2"]
    await connection.close()


async def test_a_window_larger_than_a_batch_is_published_whole_and_in_order(
    process: Process, look: psycopg.Connection[Any], nc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "BATCH", 3)
    connection = await asyncpg.connect(process.relay.url)
    relay = Relay(process.relay.url, lambda: nc, STREAM, SHARD)
    relay._stored = int(await connection.fetchval("select stored::text from relay_position where shard = $1", SHARD))
    for version in range(1, 9):
        insert(look, "a", version)
    assert await relay.round(connection)
    assert await published(nc) == [f"a:{version}" for version in range(1, 9)]
    await connection.close()


@pytest.mark.rule("REL-16")
async def test_there_are_partitions_for_the_days_to_come(process: Process, look: psycopg.Connection[Any]) -> None:
    def ahead() -> list[Any]:
        return look.execute(
            "select p.relname, count(*) from pg_inherits i join pg_class p on p.oid = i.inhparent"
            " where p.relname in ('outbox', 'inbox') group by 1 order by 1"
        ).fetchall()

    look.execute("drop table outbox_p" + _day(look, 14))
    look.execute("drop table inbox_p" + _day(look, 14))
    before = ahead()
    await keep_house(process.commands.open_unit)
    assert ahead() == [(name, count + 1) for name, count in before]
    await keep_house(process.commands.open_unit)
    assert ahead() == [(name, count + 1) for name, count in before]


def _day(look: psycopg.Connection[Any], days: int) -> str:
    row = look.execute("select to_char((now() at time zone 'utc')::date + %s::int, 'YYYYMMDD')", [days]).fetchone()
    assert row is not None
    return str(row[0])


def rows_read(plan: dict[str, Any]) -> float:
    """Rows that a plan looks at in tables, those that it throws away included."""
    away = sum(value for key, value in plan.items() if key.startswith("Rows Removed by"))
    own = (plan["Actual Rows"] + away) * plan["Actual Loops"] if "Relation Name" in plan else 0.0
    return float(own) + sum(rows_read(part) for part in plan.get("Plans", ()))


@pytest.mark.rule("PERF-8")
async def test_a_round_reads_its_window_alone_however_much_was_told_before(
    process: Process, look: psycopg.Connection[Any]
) -> None:
    """Also with plans that were made when the outbox was empty, and are kept as long as the relay leads."""
    connection = await asyncpg.connect(process.relay.url, server_settings=relays.SETTINGS)
    await connection.execute("set plan_cache_mode = force_generic_plan")
    await connection.execute(f"prepare horizon (text) as {relays._HORIZON}")
    await connection.execute(f"prepare page (text, bigint, text, bigint) as {relays._WINDOW}")

    async def explained(statement: str) -> dict[str, Any]:
        found = json.loads(await connection.fetchval(f"explain (analyze, format json) {statement}"))
        plan: dict[str, Any] = found[0]["Plan"]
        return plan

    await explained("execute horizon ('1')")
    await explained("execute page ('1', 0, '1', 10)")
    look.execute(
        "insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation, subject,"
        " payload, headers, occurred_at) select gen_random_uuid(), 'T', 'many/' || n, 1, '_', 'c', 'relaytest.x', '',"
        " '{}', now() from generate_series(1, 5000) n"
    )
    begin = look.execute("select pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()
    for version in range(10):
        insert(look, "last", version)
    assert begin is not None
    row = await connection.fetchrow(relays._HORIZON, begin[0])
    assert rows_read(await explained(f"execute horizon ('{begin[0]}')")) < 50
    page = f"execute page ('{begin[0]}', {row['first'] - 1}, '{row['horizon']}', 1000)"
    plan = await explained(page)
    assert (plan["Actual Rows"], rows_read(plan) < 50) == (10, True)
    await connection.close()
