"""A standing pull hands messages on as they come, loses none in a burst and gives back what was not taken."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cli.engines import Engines
from services.chassis import bus
from services.chassis.pull import BATCH, Pull, PullEnded

STREAM, CONSUMER, SUBJECT = "PULLTEST", "pull-test", "pulltest.x"


@pytest.fixture
async def nc(engines: Engines) -> AsyncIterator[Any]:
    client = await bus.connect(engines.nats_url, "pull@0", wait=10)
    await client.request(f"$JS.API.STREAM.DELETE.{STREAM}", b"")
    await _made(client, f"STREAM.CREATE.{STREAM}", {"name": STREAM, "subjects": ["pulltest.>"], "storage": "file"})
    config = {"durable_name": CONSUMER, "ack_policy": "explicit", "ack_wait": 60_000_000_000}
    await _made(client, f"CONSUMER.CREATE.{STREAM}.{CONSUMER}", {"stream_name": STREAM, "config": config})
    yield client
    await client.close()


async def _made(client: Any, subject: str, content: dict[str, Any]) -> None:
    answer = json.loads((await client.request(f"$JS.API.{subject}", json.dumps(content).encode())).data)
    assert "error" not in answer, answer


async def take(pull: Pull, count: int) -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            message = await pull.next()
            if message is not None:
                await message.ack_sync()
                found.append(message)
    return found


@pytest.mark.rule("REL-27")
async def test_bursts_larger_than_a_request_arrive_once_and_in_order(nc: Any) -> None:
    async with Pull(nc, STREAM, CONSUMER) as pull:
        for size in (1, BATCH + 7, 3, 4 * BATCH):
            wanted = [str(number).encode() for number in range(size)]
            for content in wanted:
                await nc.publish(SUBJECT, content)
            found = await take(pull, size)
            assert [message.data for message in found] == wanted
            assert {message.metadata.num_delivered for message in found} == {1}


async def test_what_was_not_taken_goes_to_the_next_process_at_once(nc: Any) -> None:
    async with Pull(nc, STREAM, CONSUMER) as pull:
        for number in range(10):
            await nc.publish(SUBJECT, str(number).encode())
        first = await take(pull, 1)
        await nc.flush()
        await pull.give_back()
    async with Pull(nc, STREAM, CONSUMER) as pull:
        rest = await take(pull, 9)  # the acknowledgement wait of 60 s is not waited for
    assert first[0].data == b"0"
    assert sorted(message.data for message in rest) == [str(number).encode() for number in range(1, 10)]


async def test_a_consumer_that_is_gone_ends_the_pull(nc: Any) -> None:
    async with Pull(nc, STREAM, CONSUMER) as pull:
        assert await pull.next() is None  # a heartbeat: the request stands
        await nc.request(f"$JS.API.CONSUMER.DELETE.{STREAM}.{CONSUMER}", b"")
        with pytest.raises(PullEnded):
            await take(pull, 1)
