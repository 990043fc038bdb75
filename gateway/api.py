"""The API's requests: address -> route -> caller -> message -> service -> answer."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from google.protobuf.message import Message
from plantops.type.v1 import access_pb2
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from gateway import answers, transcode
from gateway.calls import Call, seconds_of
from gateway.chains import ChainService
from gateway.identity import Identity
from gateway.rates import Rates
from gateway.refusals import (
    BodyTooLarge,
    BodyTooSlow,
    MediaTypeUnsupported,
    MethodNotAllowed,
    RouteUnknown,
    StatusError,
    http_status,
    status_of,
)
from gateway.routes import Route, Table
from gateway.scans import ScanService
from gateway.upstream import Upstream
from services.chassis.config import GatewayConfig
from services.chassis.fault_points import reach
from services.chassis.faults import Fault, Overloaded
from services.chassis.metrics import Metrics

BODY_SECONDS = 10.0
DISCARDED = 8 << 20
"""Bytes beyond the limit that are read and forgotten: a client that still sends would not see the refusal."""
Local = Callable[[Any, Call], Awaitable[Message]]


class Api:
    """ASGI application of everything that the contract has a route for."""

    def __init__(
        self,
        config: GatewayConfig,
        table: Table,
        services: Mapping[str, Upstream],
        identity: Identity,
        metrics: Metrics | None = None,
    ) -> None:
        self.metrics = metrics or Metrics("gateway", "gateway")
        self.config = config
        self.table = table
        self.services = services
        self.identity = identity
        self.rates = Rates(config.rates)
        self.local: dict[str, Local] = {}
        if "gateway" in {route.service for route in table.routes}:
            self.local = {
                "plantops.gateway.v1.ScanService.ResolveScan": ScanService(table, services).resolve_scan,
                "plantops.gateway.v1.ChainService.ListChain": ChainService(table, services).list_chain,
            }
        for route in table.routes:
            if route.rpc.full_name not in self.local and route.service not in services:
                raise TypeError(f"{route.rpc.full_name}: no service answers it")
            if not route.rpc.GetOptions().Extensions[access_pb2.scope]:
                raise TypeError(f"{route.rpc.full_name} names no permission")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(Request(scope, receive), scope)
        await response(scope, receive, send)

    async def _answer(self, request: Request, scope: Scope) -> Response:
        request_id: str = scope["plantops.request_id"]
        used: frozenset[str] = frozenset()
        try:
            route, bound, other = self._route(request, scope)
            if route is None:
                return other
            call = await self._call(request, request_id, route.service)
            body = await read_body(request, self.config.max_body_bytes)
            large = len(body) > answers.LARGE
            arguments = (route, bound, scope["query_string"], request.headers, body)
            message, used = await asyncio.to_thread(transcode.read, *arguments) if large else transcode.read(*arguments)
            return await while_there(request, self._dispatch(route, message, call, request))
        except Fault as fault:
            status, number = status_of(fault)
            headers = {"allow": fault.metadata["allowed"]} if isinstance(fault, MethodNotAllowed) else {}
            if number in (408, 413):  # the rest of the body is not read
                headers["connection"] = "close"
            return answers.refusal(status, request_id, number, headers)
        except StatusError as error:
            number = http_status(error.status, etag_header="if-match" in used, key_header="idempotency-key" in used)
            headers = {"idempotent-replay": "true"} if error.replayed else {}
            return answers.refusal(error.status, request_id, number, headers)
        except ClientDisconnect:
            return Response(status_code=499)

    def _route(self, request: Request, scope: Scope) -> tuple[Route | None, Mapping[str, str], Response]:
        path: str = scope["path"]
        found = self.table.find(path) if b"%2f" not in scope.get("raw_path", b"").lower() else {}
        if not found:
            raise RouteUnknown(path=path[:256])
        verb = "GET" if request.method == "HEAD" else request.method
        allowed = ", ".join(sorted(found.keys() | ({"HEAD"} if "GET" in found else set()) | {"OPTIONS"}))
        scope["plantops.route"] = next(iter(found.values()))[0].template
        if verb == "OPTIONS":
            return None, {}, Response(status_code=204, headers={"allow": allowed})
        if verb not in found:
            raise MethodNotAllowed(path=path[:256], method=request.method, allowed=allowed)
        route, bound = found[verb]
        scope["plantops.route"] = route.template
        bind_contextvars(site=next((name.split("/")[1] for name in bound.values() if name.startswith("sites/")), ""))
        return route, bound, Response()

    async def _call(self, request: Request, request_id: str, service: str) -> Call:
        token, claims = await self.identity.verify(request.headers)
        try:
            self.rates.take(claims.device or claims.subject)
        except Overloaded:
            self.metrics.inc("plantops_shed_total", service, "rate")
            raise
        bind_contextvars(actor=claims.subject)
        seconds = seconds_of(request.headers, self.config.timeout_seconds)
        return Call(token, claims, request_id, request.scope["plantops.traceparent"], seconds)

    async def _dispatch(self, route: Route, message: Message, call: Call, request: Request) -> Response:
        own = self.local.get(route.rpc.full_name)
        if own is not None:
            # The services that it asks decide who may see what, and check the fields (SEC-16).
            return await answers.answer(await own(message, call), {})
        service = self.services[route.service]
        if route.rpc.server_streaming:
            return await answers.lines(service.stream(route, message, call.metadata, call.left), call.request_id)
        reply, trailing = await service.unary(route, message, call.metadata, call.left)
        if route.verb != "GET":
            await reach("gateway.after_commit_before_reply", route.rpc.name)
        headers = {"idempotent-replay": "true"} if trailing.get("x-idempotent-replay") == "true" else {}
        if etag := transcode.etag_of(reply):
            headers["etag"] = etag
            if route.verb == "GET" and matches(request.headers.get("if-none-match", ""), etag):
                return Response(status_code=304, headers=headers)
        return await answers.answer(reply, headers)


async def while_there(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """Work for a caller who has sent all of the body; when the caller goes the work is cancelled (REL-73)."""
    working = asyncio.ensure_future(work)
    going = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({working, going}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, going):
            task.cancel()
        await asyncio.gather(working, going, return_exceptions=True)


def matches(condition: str, etag: str) -> bool:
    """Whether an If-None-Match header holds an etag, weak or strong."""
    given = {part.strip().removeprefix("W/") for part in condition.split(",")}
    return "*" in given or etag in given


async def read_body(request: Request, limit: int) -> bytes:
    """The body as it came; a fault where it is too large, too slow or of another media type."""
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size <= limit:
                    body += part
                elif size > limit + DISCARDED:
                    break
    except TimeoutError:
        raise BodyTooSlow(seconds=f"{BODY_SECONDS:g}") from None
    if size > limit:
        raise BodyTooLarge(limit=limit)
    if body:
        media_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
        charset = parameters.replace(" ", "").strip('"')
        encoding = request.headers.get("content-encoding", "identity").lower()
        if (
            media_type.strip() != "application/json"
            or charset.replace('"', "") not in ("", "charset=utf-8")
            or encoding != "identity"
        ):
            shown = media_type.strip()[:100] or "nothing"
            if encoding != "identity":
                shown += f" in {encoding[:20]}"
            raise MediaTypeUnsupported(media_type=shown)
    return bytes(body)
