"""Behind the door: time limits, retries within a budget, streams, what a library says without details."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway.api import Api
from gateway.door import Door
from gateway.routes import Table
from gateway.upstream import Upstream, safe
from services.chassis.faults import DependencyUnavailable, EtagMismatch
from services.chassis.tokens import Claims
from tests.chassis.sample.protos import pb
from tests.gateway.conftest import gateway_config
from tests.gateway.partner import Answer, partner
from tests.signing import Issuer

pytestmark = pytest.mark.played_partner
BOXES = pb.DESCRIPTOR.services_by_name["BoxService"]
BOX = "/v1/sites/hamburg/boxes/b"
KEY = {"idempotency-key": "6f0d2d54-8a1e-4c3f-9a55-0c6f3f0b7a11"}


class Anyone:
    """Stands for the identity, which these tests are not about."""

    async def verify(self, headers: Any) -> tuple[str, Claims]:
        return "a-token", Claims("people/ana")


class Routed(Table):
    """The sample's routes but its client streams, which HTTP does not offer."""

    def __init__(self) -> None:
        super().__init__([])
        for name in ("GetBox", "UpdateBox", "SealBox", "StreamBoxes"):
            found = Table([type("One", (), {"methods": [BOXES.methods_by_name[name]]})()])  # type: ignore[list-item]
            self.routes += found.routes
            for place, routes in found._places.items():
                self._places.setdefault(place, []).extend(routes)


@asynccontextmanager
async def door(issuer: Issuer, answers: dict[str, Answer], **given: Any) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP calls that go through to a played partner."""
    table = Routed()
    async with partner(BOXES, answers) as port:
        upstream = Upstream("sample", f"127.0.0.1:{port}", (route.rpc for route in table.routes), 1)
        api = Api(gateway_config(issuer, {}, **given), table, {"sample": upstream}, Anyone())  # type: ignore[arg-type]
        transport = httpx.ASGITransport(Door(api, lambda: False))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            yield client
        await upstream.close()


async def refuse(context: Any, fault: Any) -> None:
    status = fault.status("sample.plantops")
    await context.abort(
        grpc.StatusCode[code_pb2.Code.Name(status.code)],
        status.message,
        (("grpc-status-details-bin", status.SerializeToString()),),
    )


def failing(times: int, calls: list[Any]) -> Answer:
    """Refuses as UNAVAILABLE some times, then answers; notes each call."""

    async def answer(request: Any, context: Any) -> Any:
        calls.append(request)
        if len(calls) <= times:
            await refuse(context, DependencyUnavailable(dependency="the database"))
        return pb.Box(name=request.name)

    return answer


@pytest.mark.rule("REL-75")
async def test_a_moment_of_absence_is_not_seen(issuer: Issuer) -> None:
    reads: list[Any] = []
    writes: list[Any] = []
    async with door(issuer, {"GetBox": failing(2, reads), "SealBox": failing(1, writes)}) as client:
        assert (await client.get(BOX)).status_code == 200
        assert len(reads) == 3
        sealed = await client.post(BOX + ":seal", headers=KEY)
        assert sealed.status_code == 200, sealed.text
    assert [request.request_id for request in writes] == [KEY["idempotency-key"]] * 2


@pytest.mark.rule("REL-75")
async def test_the_retry_budget_ends(issuer: Issuer) -> None:
    calls: list[Any] = []
    async with door(issuer, {"GetBox": failing(10**6, calls)}) as client:
        for _ in range(4):
            response = await client.get(BOX)
            assert (response.status_code, response.json()["reason"]) == (503, "DEPENDENCY_UNAVAILABLE")
        spent = len(calls)
        assert (await client.get(BOX)).status_code == 503
        assert len(calls) == spent + 1  # the budget is spent: each request once
    assert spent < 4 * 4


@pytest.mark.rule("REL-75", "REL-80")
@pytest.mark.parametrize("code", ["CANCELLED", "UNKNOWN", "INTERNAL"])
async def test_a_call_that_a_stopping_replica_cut_off_is_made_once_more(issuer: Issuer, code: str) -> None:
    calls: list[Any] = []
    cuts = 1

    async def answer(request: Any, context: Any) -> Any:
        calls.append(request)
        if len(calls) <= cuts:
            await context.abort(grpc.StatusCode[code], "Server shutdown")  # without details: the library's word
        return pb.Box(name=request.name)

    async with door(issuer, {"SealBox": answer}) as client:
        assert (await client.post(BOX + ":seal", headers=KEY)).status_code == 200
        assert [request.request_id for request in calls] == [KEY["idempotency-key"]] * 2
        calls.clear()
        cuts = 10
        assert (await client.post(BOX + ":seal", headers=KEY)).status_code in (499, 500)
        assert len(calls) == 2


@pytest.mark.rule("REL-75")
async def test_other_refusals_are_not_repeated(issuer: Issuer) -> None:
    calls: list[Any] = []

    async def answer(request: Any, context: Any) -> Any:
        calls.append(request)
        await refuse(context, EtagMismatch(resource="b", etag='"1"', current='"2"'))

    async with door(issuer, {"GetBox": answer}) as client:
        assert (await client.get(BOX)).status_code == 409
    assert len(calls) == 1


def test_only_what_bears_it_is_repeated() -> None:
    assert all(safe(method) for method in BOXES.methods if not method.client_streaming)


@pytest.mark.rule("REL-73")
async def test_the_time_left_travels(issuer: Issuer) -> None:
    left: list[float] = []
    seen: list[dict[str, str]] = []

    async def answer(request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        seen.append(dict(context.invocation_metadata()))
        return pb.Box(name=request.name)

    async with door(issuer, {"GetBox": answer}, timeout_seconds=5) as client:
        for given in ({}, {"x-request-timeout": "2"}, {"x-request-timeout": "50"}, {"grpc-timeout": "1500m"}):
            headers = {
                **given,
                "x-request-id": "r-1",
                "x-plantops-roles": "administrator",
                "x-forwarded-for": "1.1.1.1",
            }
            assert (await client.get(BOX, headers=headers)).status_code == 200
    for found, limit in zip(left, (5, 2, 5, 1.5), strict=True):
        assert limit - 1 < found <= limit
    assert seen[0]["authorization"] == "Bearer a-token"
    assert seen[0]["x-request-id"] == "r-1"
    assert len(seen[0]["traceparent"]) == 55
    assert not {"x-plantops-roles", "x-forwarded-for"} & set(seen[0])


async def test_what_the_library_says_stays_inside(issuer: Issuer) -> None:
    async def full(request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "10.0.0.7: concurrent rpc limit")

    async with door(issuer, {"GetBox": full}) as client:
        busy = await client.get(BOX)
        assert (busy.status_code, busy.json()["reason"], busy.headers["retry-after"]) == (429, "OVERLOADED", "1")
        assert "10.0.0.7" not in busy.text
        unknown = await client.post(BOX + ":seal", headers=KEY)
        assert (unknown.status_code, unknown.json()["reason"]) == (501, "OPERATION_UNKNOWN")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("CANCELLED", 499), ("UNKNOWN", 500), ("INVALID_ARGUMENT", 400), ("DEADLINE_EXCEEDED", 504),
        ("NOT_FOUND", 404), ("ALREADY_EXISTS", 409), ("PERMISSION_DENIED", 403), ("RESOURCE_EXHAUSTED", 429),
        ("FAILED_PRECONDITION", 400), ("ABORTED", 409), ("OUT_OF_RANGE", 400), ("UNIMPLEMENTED", 501),
        ("INTERNAL", 500), ("UNAVAILABLE", 503), ("DATA_LOSS", 500), ("UNAUTHENTICATED", 401),
    ],
)  # fmt: skip
async def test_every_code_has_its_status(issuer: Issuer, code: str, status: int) -> None:
    found = status_pb2.Status(code=code_pb2.Code.Value(code), message="No.")
    found.details.add().Pack(error_details_pb2.ErrorInfo(reason="SOME_REASON", domain="x", metadata={"a": "b"}))
    unmet = error_details_pb2.PreconditionFailure()
    unmet.violations.add(type="GATE", subject="boxes/b", description="open")
    found.details.add().Pack(unmet)
    again = error_details_pb2.RetryInfo()
    again.retry_delay.FromMilliseconds(1500)
    found.details.add().Pack(again)

    async def answer(request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode[code], "No.", (("grpc-status-details-bin", found.SerializeToString()),))

    async with door(issuer, {"GetBox": answer}) as client:
        response = await client.get(BOX)
    problem = response.json()
    assert response.status_code == problem["status"] == status
    assert (problem["code"], problem["reason"], problem["detail"]) == (code, "SOME_REASON", "No.")
    assert problem["metadata"] == {"a": "b"}
    assert problem["preconditions"] == [{"type": "GATE", "subject": "boxes/b", "description": "open"}]
    assert (problem["retryAfter"], response.headers["retry-after"]) == ("1.5s", "2")


async def test_a_stream_is_lines(issuer: Issuer) -> None:
    async def answer(request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(request.page_size):
            yield pb.Box(name=f"{request.parent}/boxes/{number}")
        if request.filter:
            await refuse(context, DependencyUnavailable(dependency="the database"))

    async with door(issuer, {"StreamBoxes": answer}) as client:
        path = "/v1/sites/hamburg/boxes:stream"
        good = await client.get(path, params={"pageSize": 3})
        assert good.headers["content-type"] == "application/x-ndjson"
        names = [json.loads(line)["name"] for line in good.text.splitlines()]
        assert names == [f"sites/hamburg/boxes/{number}" for number in range(3)]
        assert (await client.get(path)).content == b""
        early = await client.get(path, params={"filter": "x"})
        assert (early.status_code, early.json()["reason"]) == (503, "DEPENDENCY_UNAVAILABLE")
        late = await client.get(path, params={"pageSize": 2, "filter": "x"})
        last = json.loads(late.text.splitlines()[-1])
        assert (late.status_code, last["problem"]["reason"]) == (200, "DEPENDENCY_UNAVAILABLE")


async def test_a_defect_shows_nothing(issuer: Issuer) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("select * from secrets")

    transport = httpx.ASGITransport(Door(broken, lambda: True))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        response = await client.get("/v1/anything")
    assert (response.status_code, response.json()["reason"]) == (500, "INTERNAL")
    assert "secrets" not in response.text
    assert response.headers["x-request-id"] in response.json()["detail"]
    assert response.headers["connection"] == "close"


async def test_a_slow_body_is_not_waited_for(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway import api

    monkeypatch.setattr(api, "BODY_SECONDS", 0.05)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with door(issuer, {}) as client:
        request = client.build_request(
            "POST", BOX + ":seal", content=never(), headers={"content-type": "application/json"}
        )
        response = await client.send(request)
    assert (response.status_code, response.json()["reason"]) == (408, "BODY_TOO_SLOW")
