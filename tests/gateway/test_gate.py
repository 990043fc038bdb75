"""The gateway lets in what it can carry: more is refused at once, cheaply, and by service (P6)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from plantops.materials.v1 import items_pb2

from gateway.rates import MOST_BUCKETS, Rates
from gateway.serve import Server
from services.chassis.faults import Overloaded
from tests.gateway.conftest import gateway_config
from tests.gateway.partner import partner
from tests.signing import Issuer

pytestmark = pytest.mark.played_partner
PLACES = 2
SAM = {"-": ["storekeeper"]}


@dataclass
class Full:
    """A gateway with all places for materials taken, until `go`."""

    server: Server
    client: httpx.AsyncClient
    go: asyncio.Event
    arrived: asyncio.Semaphore
    left: asyncio.Semaphore
    calls: list[Any]
    flying: list[asyncio.Task[httpx.Response]] = field(default_factory=list)

    async def fill(self) -> None:
        """Take all places."""
        for _ in range(PLACES):
            self.flying.append(asyncio.create_task(self.client.get("/v1/items/a")))
            await self.arrived.acquire()


@pytest.fixture
async def full(issuer: Issuer) -> AsyncIterator[Full]:
    go, arrived, left = asyncio.Event(), asyncio.Semaphore(0), asyncio.Semaphore(0)
    calls: list[Any] = []

    async def answer(request: Any, context: Any) -> Any:
        calls.append(request)
        arrived.release()
        try:
            await go.wait()
        except asyncio.CancelledError:
            left.release()
            raise
        return json_format.ParseDict({"name": request.name}, items_pb2.Item())

    async with partner(items_pb2.DESCRIPTOR.services_by_name["ItemService"], {"GetItem": answer}) as port:
        targets = {name: port for name in ("maintenance", "materials", "procurement")}
        server = Server(gateway_config(issuer, targets, max_calls=PLACES, rates={"systems": (0.001, 2)}))
        await server.start()
        headers = {"authorization": f"Bearer {issuer.token('people/sam', SAM)}"}
        base = f"http://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as client:
            yield Full(server, client, go, arrived, left, calls)
            go.set()
        await server.stop()


@pytest.mark.rule("REL-76")
async def test_a_request_without_a_place_is_refused_before_it_is_looked_at(full: Full) -> None:
    await full.fill()
    nobody = {"authorization": "Bearer none", "x-request-id": "r-1"}
    for headers in (nobody, {"authorization": ""}):
        refused = await full.client.get("/v1/items/a", headers=headers)
        assert (refused.status_code, refused.json()["reason"]) == (429, "OVERLOADED")
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) in (1, 2, 3)
        assert refused.json()["retryAfter"] == f"{refused.headers['retry-after']}s"
        assert refused.json()["instance"] == f"urn:plantops:request:{refused.headers['x-request-id']}"
    assert len(full.calls) == PLACES
    assert full.server.gateway.gate.refused == {"materials": 2}
    assert (await full.client.get("/healthz")).status_code == 200
    assert (await full.client.get("/readyz")).status_code == 200
    assert (await full.client.get("/v1/sites/hamburg", headers=nobody)).status_code == 401  # another service's places
    full.go.set()
    assert {answer.status_code for answer in await asyncio.gather(*full.flying)} == {200}
    assert (await full.client.get("/v1/items/a", headers=nobody)).status_code == 401
    assert not +full.server.gateway.gate.inside


@pytest.mark.rule("REL-76")
async def test_a_connection_goes_on_after_a_refusal(full: Full) -> None:
    await full.fill()
    reader, writer = await asyncio.open_connection("127.0.0.1", full.server.port)
    body = b"x" * 200_000

    async def answer() -> tuple[bytes, bytes]:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return head, await reader.readexactly(length)

    for _ in range(2):  # the body is not read before the refusal and does not disturb what follows
        writer.write(b"POST /v1/items HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body))
        head, _ = await answer()
        assert head.startswith(b"HTTP/1.1 429 ")
        writer.write(body)
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /v1/items/a HTTP/1.1\r\nhost: x\r\n\r\n")
    head, content = await answer()
    assert (head[:12], content) == (b"HTTP/1.1 200", b'{"status":"ok"}')
    assert (await answer())[0].startswith(b"HTTP/1.1 429 ")  # in the order of the questions
    full.server.gateway.draining = True
    writer.write(b"GET /v1/items/a HTTP/1.1\r\nhost: x\r\n\r\n")
    head, _ = await answer()
    assert b"\r\nconnection: close\r\n" in head
    assert await reader.read() == b""
    writer.close()


@pytest.mark.rule("REL-73")
async def test_the_call_of_a_client_who_left_is_cancelled(full: Full) -> None:
    await full.fill()
    for flying in full.flying:
        flying.cancel()
    await asyncio.gather(*full.flying, return_exceptions=True)
    async with asyncio.timeout(20):
        for _ in full.flying:
            await full.left.acquire()
        while True:
            if not full.server.gateway.gate.inside["materials"]:
                break
            await asyncio.sleep(0.01)


@pytest.mark.rule("REL-73")
async def test_what_would_come_too_late_is_not_begun(full: Full) -> None:
    late = await full.client.get("/v1/items/a", headers={"x-request-timeout": "0.01"})
    assert (late.status_code, late.json()["reason"]) == (504, "DEADLINE_EXCEEDED")
    assert full.calls == []


@pytest.mark.rule("REL-76")
async def test_who_calls_too_often_waits_alone(full: Full, issuer: Issuer) -> None:
    full.go.set()
    erp = {"authorization": f"Bearer {issuer.token('systems/erp', SAM)}"}
    answers = [await full.client.get("/v1/items/a", headers=erp) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) > 900  # a token in 1000 s
    assert len(full.calls) == 2
    other = {"authorization": f"Bearer {issuer.token('systems/mes', SAM)}"}
    assert (await full.client.get("/v1/items/a", headers=other)).status_code == 200
    assert [(await full.client.get("/v1/items/a")).status_code for _ in range(4)] == [200] * 4  # people: no limit here


@pytest.mark.rule("REL-76")
@given(st.floats(0.1, 50), st.integers(1, 20), st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["a", "b"]))))
def test_nobody_gets_more_than_the_burst_and_the_rate(rate: float, burst: int, steps: list[tuple[float, str]]) -> None:
    now = 0.0
    rates = Rates({"people": (rate, burst)}, clock=lambda: now)
    passed: dict[str, list[float]] = {"a": [], "b": []}
    waits: list[float] = []
    for pause, who in steps:
        now += pause
        try:
            rates.take(f"people/{who}")
            passed[who].append(now)
        except Overloaded as fault:
            waits.append(fault.retry_after.total_seconds() if fault.retry_after else 0)
    assert all(0 <= wait <= 1 / rate + 1e-6 for wait in waits)
    for times in passed.values():
        for begin in range(len(times)):
            for end in range(begin, len(times)):
                assert end - begin + 1 <= burst + rate * (times[end] - times[begin]) + 1e-6


def test_so_many_buckets_and_no_more() -> None:
    rates = Rates({"people": (1, 1)}, clock=lambda: 0.0)
    for number in range(MOST_BUCKETS + 5):
        rates.take(f"people/p{number}")
    assert len(rates._buckets) == MOST_BUCKETS
