"""A stream without room: rows stay in the outbox, one line says so, and all are published when there is room."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import psycopg
import pytest
from structlog.testing import capture_logs

from cli.engines import Engines
from services.chassis import bus, publisher
from services.chassis.relay import Relay
from services.chassis.serve import Process
from tests.chassis.test_relay import SHARD, STREAM, insert, look, published

__all__ = ["look"]
ROOM = 4096


@pytest.fixture
async def small(engines: Engines) -> AsyncIterator[Any]:
    """A broker connection, and a stream that has room for a few events."""
    client = await bus.connect(engines.nats_url, "full@0", wait=10)
    await client.request(f"$JS.API.STREAM.DELETE.{STREAM}", b"")
    await change(client, "CREATE", max_bytes=ROOM)
    yield client
    await client.close()


async def change(client: Any, action: str, **given: Any) -> None:
    config = {"name": STREAM, "subjects": ["relaytest.>"], "allow_atomic": True, "storage": "file", "discard": "new"}
    answer = await client.request(f"$JS.API.STREAM.{action}.{STREAM}", json.dumps(config | given).encode())
    assert "error" not in json.loads(answer.data)


@pytest.mark.rule("REL-21", "REL-9")
async def test_a_full_stream_loses_nothing_and_is_one_line(
    process: Process, look: psycopg.Connection[Any], small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "FULL_SECONDS", 0.05)
    wanted = [f"{aggregate}:{version}" for version in range(1, 26) for aggregate in ("a", "b", "c")]
    for entry in wanted:
        aggregate, version = entry.split(":")
        insert(look, aggregate, int(version))
    relay = Relay(process.relay.url, lambda: small, STREAM, SHARD)
    connection = await asyncpg.connect(process.relay.url)
    await relay._resume(connection)
    with capture_logs() as lines:
        while await relay.round(connection):  # what still fits goes in
            pass
        for _ in range(20):
            await asyncio.sleep(0.06)
            assert not await relay.round(connection)
    before = await published(small)
    assert 0 < len(before) < len(wanted)
    (refused,) = (line for line in lines if line["event"].startswith("publish"))
    assert refused["event"] == "publish refused"
    assert refused["error"]["err_code"] == 10077
    assert "raise max_bytes in services/streams.toml and run `plantops nats apply`" in refused["remedy"]
    kept = "select count(*) from outbox o, relay_position p where p.shard = $1 and o.xid >= p.stored"
    assert await connection.fetchval(kept, SHARD) >= len(wanted) - len(before)
    await change(small, "UPDATE", max_bytes=1 << 20)
    with capture_logs() as lines:
        async with asyncio.timeout(10):
            while len(await published(small)) < len(wanted):
                await relay.round(connection)
                await asyncio.sleep(0.02)
    assert [line["event"] for line in lines if "publish" in line["event"]] == ["publishes are acknowledged again"]
    found = await published(small)
    assert sorted(found) == sorted(wanted)  # none lost, none twice
    for aggregate in ("a", "b", "c"):
        assert [entry for entry in found if entry[0] == aggregate] == [f"{aggregate}:{n}" for n in range(1, 26)]
    await connection.close()


@pytest.mark.rule("REL-21")
async def test_while_a_stream_is_full_its_rows_are_not_tried_one_by_one(
    process: Process, look: psycopg.Connection[Any], small: Any
) -> None:
    await change(small, "UPDATE", max_bytes=64)
    for number in range(200):
        insert(look, f"aggregate-{number}", 1)
    relay = Relay(process.relay.url, lambda: small, STREAM, SHARD)
    connection = await asyncpg.connect(process.relay.url)
    await relay._resume(connection)
    sent = small.stats["out_msgs"]
    for _ in range(10):
        assert not await relay.round(connection)
    # one atomic batch of 200 and the singles under way when the first was refused; not ten times that
    assert small.stats["out_msgs"] - sent <= 200 + publisher.PARALLEL
    await connection.close()
