"""A stream that was lost comes back from the outbox; events are told again on request (REL-14, REL-89, REL-90)."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import psycopg
import pytest

from cli.engines import Engines
from services.chassis import bus, replay
from services.chassis import relay as relays
from services.chassis.relay import Relay
from services.chassis.replay import Wanted
from services.chassis.serve import Process
from tests.plant import superuser

STREAM, SHARD = "REBUILDTEST", 8
FOREVER = 10.0


@pytest.fixture
def look(bootstrapped: Engines, process: Process) -> Iterator[psycopg.Connection[Any]]:
    with superuser(bootstrapped, "sample") as connection:
        connection.execute("set session_replication_role = replica")  # past the trigger that keeps the outbox whole
        connection.execute("delete from outbox")  # rows of other tests belong to streams that may not be there
        connection.execute("set session_replication_role = origin")
        connection.execute(
            "insert into relay_position (shard, stored) values (%s, pg_snapshot_xmin(pg_current_snapshot()))", [SHARD]
        )
        yield connection
        connection.execute("delete from relay_position where shard = %s", [SHARD])
        connection.execute("delete from relay_lease where shard = %s", [SHARD])
        connection.execute("update replay_request set finished_at = now() where finished_at is null")


@pytest.fixture
async def nc(engines: Engines) -> AsyncIterator[Any]:
    client = await bus.connect(engines.nats_url, "rebuild@0", wait=10)
    await fresh_stream(client)
    yield client
    await client.close()


async def fresh_stream(nc: Any) -> None:
    await nc.request(f"$JS.API.STREAM.DELETE.{STREAM}", b"")
    config = {"name": STREAM, "subjects": ["rebuildtest.>"], "allow_atomic": True, "storage": "file"}
    answer = json.loads((await nc.request(f"$JS.API.STREAM.CREATE.{STREAM}", json.dumps(config).encode())).data)
    assert "error" not in answer, answer


def insert(look: psycopg.Connection[Any], aggregate: str, version: int) -> int:
    event_id = uuid4()
    headers = {"Nats-Msg-Id": str(event_id), "plantops-aggregate": aggregate, "plantops-version": str(version)}
    row = look.execute(
        "insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation, subject,"
        " payload, headers, occurred_at) values (%s, %s, %s, %s, '_', 'c', 'rebuildtest.x', '', %s, now())"
        " returning pos",
        [event_id, "BoxFilled" if version % 2 else "BoxSealed", aggregate, version, json.dumps(headers)],
    ).fetchone()
    assert row is not None
    return int(row[0])


async def published(nc: Any, prefix: str) -> list[str]:
    """What lies in the stream of aggregates with a prefix; other tests' rows come back with a lost stream too."""
    found = []
    info = await nc.jetstream().stream_info(STREAM)
    for number in range(max(1, info.state.first_seq), info.state.last_seq + 1):
        with contextlib.suppress(Exception):
            headers = (await nc.jetstream().get_msg(STREAM, number)).headers
            if headers["plantops-aggregate"].startswith(prefix):
                found.append(f"{headers['plantops-aggregate']}:{headers['plantops-version']}")
    return found


@contextlib.asynccontextmanager
async def leading(process: Process, nc: Any) -> AsyncIterator[Relay]:
    relay = Relay(process.relay.url, lambda: nc, STREAM, SHARD)
    running = asyncio.ensure_future(relay.run())
    try:
        yield relay
    finally:
        relay.stop()
        await running


async def until(read: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(FOREVER):
        while True:
            found = await read()
            if wanted(found):
                return found
            await asyncio.sleep(0.02)


@pytest.mark.rule("REL-89")
async def test_a_stream_that_was_made_anew_gets_the_whole_outbox_again(
    process: Process, look: psycopg.Connection[Any], nc: Any
) -> None:
    prefix = f"anew{uuid4().hex[:6]}"
    names = [f"{prefix}/{number}" for number in range(3)]
    wanted = [f"{name}:{version}" for version in (1, 2) for name in names]
    async with leading(process, nc) as relay:
        for version in (1, 2):
            for name in names:
                insert(look, name, version)
        relay.wake()
        assert await until(lambda: published(nc, prefix), lambda found: len(found) == 6) == wanted
        await fresh_stream(nc)
        assert await until(lambda: published(nc, prefix), lambda found: len(found) == 6) == wanted


@pytest.mark.rule("REL-89")
async def test_a_stream_that_lost_its_end_gets_the_whole_outbox_again(
    process: Process, look: psycopg.Connection[Any], nc: Any
) -> None:
    name = f"end{uuid4().hex[:6]}"
    async with leading(process, nc) as relay:
        insert(look, name, 1)
        relay.wake()
        await until(lambda: published(nc, name), lambda found: len(found) == 1)
    # a stream of the same age whose last number is lower than the one that was acknowledged: an older volume came back
    look.execute("update relay_position set stream_seq = stream_seq + 5 where shard = %s", [SHARD])
    before = (await nc.jetstream().stream_info(STREAM)).state.messages
    assert before == 1
    async with leading(process, nc):

        async def repeated() -> Any:
            return look.execute("select stream_seq from relay_position where shard = %s", [SHARD]).fetchone()

        await until(repeated, lambda row: row[0] < 6 and row[0] >= 1)
        insert(look, name, 2)
        assert await until(lambda: published(nc, name), lambda found: len(found) == 2) == [f"{name}:1", f"{name}:2"]


@pytest.mark.rule("REL-89")
async def test_a_stream_that_is_missing_is_waited_for_and_nothing_is_lost(
    process: Process, look: psycopg.Connection[Any], nc: Any
) -> None:
    name = f"missing{uuid4().hex[:6]}"
    async with leading(process, nc) as relay:
        insert(look, name, 1)
        relay.wake()
        await until(lambda: published(nc, name), lambda found: len(found) == 1)
        await nc.request(f"$JS.API.STREAM.DELETE.{STREAM}", b"")
        insert(look, name, 2)
        relay.wake()

        async def missed() -> bool:
            return relay._missing

        await until(missed, bool)
        await fresh_stream(nc)
        assert await until(lambda: published(nc, name), lambda found: len(found) == 2) == [f"{name}:1", f"{name}:2"]


async def test_a_long_window_goes_on_where_the_leader_before_stood(
    process: Process, look: psycopg.Connection[Any], nc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "BATCH", 2)
    monkeypatch.setattr(relays, "ROUND_SECONDS", 0.0)  # each round ends after one page
    name = f"long{uuid4().hex[:6]}"
    positions = [insert(look, name, version) for version in range(1, 7)]
    connection = await asyncpg.connect(process.relay.url)
    first = Relay(process.relay.url, lambda: nc, STREAM, SHARD)
    await first._resume(connection)
    while len(await published(nc, name)) < 4:
        assert await first.round(connection)
    row = look.execute("select window_pos, window_end is null from relay_position where shard = 8").fetchone()
    assert row == (positions[3], False)
    second = Relay(process.relay.url, lambda: nc, STREAM, SHARD)
    await second._resume(connection)
    assert second._last == positions[3]
    while await second.round(connection):
        pass
    assert await published(nc, name) == [f"{name}:{version}" for version in range(1, 7)]
    assert second.publisher.duplicates == 0  # nothing was sent twice
    await connection.close()


@pytest.mark.rule("REL-5")
async def test_a_row_of_a_later_window_holds_back_what_comes_after_it(
    process: Process, look: psycopg.Connection[Any], nc: Any, bootstrapped: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window that takes several rounds ends at its own horizon, not at the present one."""
    monkeypatch.setattr(relays, "BATCH", 1)
    monkeypatch.setattr(relays, "ROUND_SECONDS", 0.0)
    name = f"later{uuid4().hex[:6]}"
    connection = await asyncpg.connect(process.relay.url)
    relay = Relay(process.relay.url, lambda: nc, STREAM, SHARD)
    await relay._resume(connection)
    with superuser(bootstrapped, "sample") as a, superuser(bootstrapped, "sample") as b:
        b.execute("begin")
        b.execute("select pg_current_xact_id()")  # 100
        insert(look, f"{name}/x", 1)  # 101, gives the window a first page
        a.execute("begin")
        a.execute("select pg_current_xact_id()")  # 102
        insert(a, name, 1)
        a.execute("commit")
        insert(b, name, 2)
        b.execute("commit")
        # the window ends below 102: version 2 (100) is in it, version 1 (102) is not
        end = look.execute(
            "select (max(xid::text::bigint))::text from outbox where aggregate_id = %s and aggregate_version = 1",
            [name],
        ).fetchone()
        assert end is not None
        relay._begin(int(end[0]))
        await relay.round(connection)
        await relay.round(connection)
        assert f"{name}:2" not in await published(nc, name)
    for _ in range(6):
        await relay.round(connection)
    found = await published(nc, name)
    assert [entry for entry in found if entry.startswith(f"{name}:")] == [f"{name}:1", f"{name}:2"]
    await connection.close()


async def requested(process: Process, wanted: Wanted) -> int:
    async with process.commands.open_unit() as unit:
        return await replay.ask(unit, wanted, by="people/opal", reason="test")


@pytest.mark.rule("REL-14")
@pytest.mark.rule("REL-90")
async def test_events_are_told_again_under_ids_of_their_own(
    process: Process, look: psycopg.Connection[Any], nc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "PAGE", 2)
    name = f"again{uuid4().hex[:6]}"
    async with leading(process, nc) as relay:
        positions = [insert(look, name, version) for version in range(1, 6)]
        relay.wake()
        await until(lambda: published(nc, name), lambda found: len(found) == 5)
        number = await requested(process, Wanted(aggregate=name, from_version=2, to_version=4))
        found = await until(lambda: published(nc, name), lambda found: len(found) >= 8)
        assert found[5:] == [f"{name}:2", f"{name}:3", f"{name}:4"]
        message = await nc.jetstream().get_last_msg(STREAM, "rebuildtest.x")
        assert message.headers["Nats-Msg-Id"].endswith(f"/replay-{number}")

        async def open_requests() -> Any:
            return look.execute("select count(*) from replay_request where finished_at is null").fetchone()

        await until(open_requests, lambda row: row == (0,))
        await requested(process, Wanted(positions=positions[:1]))
        found = await until(lambda: published(nc, name), lambda found: len(found) >= 9)
        assert found[8:] == [f"{name}:1"]
        row = look.execute("select published from replay_request where number = %s", [number]).fetchone()
        assert row == (3,)


@pytest.mark.rule("REL-90")
async def test_a_replay_goes_on_where_it_stood_and_skips_nothing_that_was_refused(
    process: Process, look: psycopg.Connection[Any], nc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"stands{uuid4().hex[:6]}"
    connection = await asyncpg.connect(process.relay.url)
    relay = Relay(process.relay.url, lambda: nc, STREAM, SHARD)
    await relay._resume(connection)
    for version in range(1, 5):
        insert(look, name, version)
    while await relay.round(connection):
        pass
    number = await requested(process, Wanted(aggregate=name))
    single = relay.publisher._single

    async def refusing(client: Any, row: Any) -> bool:
        tried.append(row["pos"])
        return len(tried) <= 2 and await single(client, row)

    async def no_batch(client: Any, rows: Any) -> set[int]:
        return set()

    tried: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(relay.publisher, "_single", refusing)
        patch.setattr(relay.publisher, "_atomic", no_batch)
        assert await replay.work(connection, relay.publisher, nc, relay._stored)
    row = look.execute(
        "select published, finished_at is null from replay_request where number = %s", [number]
    ).fetchone()
    assert row == (2, True)
    assert await replay.work(connection, relay.publisher, nc, relay._stored)
    row = look.execute(
        "select published, finished_at is null from replay_request where number = %s", [number]
    ).fetchone()
    assert row == (4, False)
    assert await published(nc, name) == [f"{name}:{version}" for version in (1, 2, 3, 4, 1, 2, 3, 4)]
    await connection.close()


@pytest.mark.rule("REL-90", "REL-92")
async def test_some_types_of_a_time_are_chosen_from_a_part_of_the_outbox_after_the_other(
    process: Process, look: psycopg.Connection[Any], nc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "PAGE", 2)
    monkeypatch.setattr(replay, "LOOKED_AT", 5)
    name = f"types{uuid4().hex[:6]}"
    connection = await asyncpg.connect(process.relay.url)
    relay = Relay(process.relay.url, lambda: nc, STREAM, SHARD)
    await relay._resume(connection)
    for version in [1] + [2] * 12 + [1, 1, 1, 2, 1, 2, 2]:  # odd versions are of the type that is asked for
        insert(look, name, version)
    while await relay.round(connection):
        pass
    before = len(await published(nc, name))
    since = datetime.now(UTC) - timedelta(hours=1)
    number = await requested(process, Wanted(since=since, event_types=["BoxFilled"]))
    steps = 0
    while look.execute("select finished_at is null from replay_request where number = %s", [number]).fetchone() == (
        True,
    ):
        assert await replay.work(connection, relay.publisher, nc, relay._stored)
        steps += 1
    assert (await published(nc, name))[before:] == [f"{name}:1"] * 5
    assert steps > 4
    row = look.execute("select published from replay_request where number = %s", [number]).fetchone()
    assert row == (5,)
    assert not await replay.work(connection, relay.publisher, nc, relay._stored)
    await connection.close()
