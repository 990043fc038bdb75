"""The gateway put together: routes of the contract, its description, health, and the development issuer."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from google.rpc import code_pb2, status_pb2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import answers, documents, issuer, openapi
from gateway.api import Api, matches, read_body
from gateway.door import Door
from gateway.gate import Gate
from gateway.identity import Identity
from gateway.refusals import StatusError, status_of
from gateway.routes import Table, contract
from gateway.upstream import Upstream
from services.chassis.config import GatewayConfig
from services.chassis.faults import Fault
from services.chassis.metrics import Metrics
from services.chassis.tracing import Tracing

log = structlog.get_logger("gateway")

SERVICES = ("maintenance", "materials", "procurement")
CORS_REQUEST = (
    "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-Id",
    "X-Request-Timeout", "traceparent",
)  # fmt: skip
CORS_ANSWER = ("ETag", "Idempotent-Replay", "Retry-After", "X-Request-Id")
_BY_HTTP = {404: code_pb2.NOT_FOUND, 405: code_pb2.UNIMPLEMENTED}


class Gateway:
    """The ASGI application `app` and what it needs; `close` when it has ended."""

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        self.metrics = Metrics("gateway", "gateway")
        self.tracing = Tracing("gateway", config.otlp_endpoint, config.trace_ratio)
        self.draining = False
        self._said: list[str] = ["starting"]
        self.table = Table(contract())
        self.services = {
            name: Upstream(
                name,
                getattr(config, name),
                (route.rpc for route in self.table.routes if route.service == name),
                config.channels,
                self.tracing,
            )
            for name in SERVICES
        }
        self.identity = Identity(config, self.table, self.services["maintenance"])
        self.api = Api(config, self.table, self.services, self.identity, self.metrics)
        self._description = answers.dumps(openapi.describe(self.table, development=self.identity.issuer is not None))
        self._description_etag = f'"{hashlib.sha256(self._description).hexdigest()[:32]}"'
        door = Door(self._application(), lambda: self.draining, self.metrics, self.tracing)
        self.gate = Gate(door, self.table, config.max_calls, lambda: self.draining, self.metrics)
        self.app: ASGIApp = self.gate

    def _application(self) -> ASGIApp:
        paths = [
            Path("/healthz", self.healthz),
            Path("/readyz", self.readyz),
            Path("/openapi.json", self.openapi),
        ]
        if self.identity.issuer is not None:
            paths += [
                Path("/.well-known/jwks.json", self.jwks),
                Path("/dev/token", self.dev_token, methods=["POST"]),
            ]
        app = Starlette(routes=paths, exception_handlers={HTTPException: _http_refusal})
        app.router.redirect_slashes = False
        app.router.default = self._otherwise
        if not self.config.cors_origins:
            return app
        return CORSMiddleware(
            app,
            allow_origins=self.config.cors_origins,
            allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=CORS_REQUEST,
            expose_headers=CORS_ANSWER,
            max_age=600,
        )

    async def _otherwise(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.api(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def healthz(self, request: Request) -> Response:
        """The loop turns (OPS-16: looks at nothing else)."""
        return Response(answers.dumps({"status": "ok"}), 200, media_type="application/json")

    async def readyz(self, request: Request) -> Response:
        """Every service answers SERVING and the gateway is not draining; says what is not so.

        `?need=any` asks whether the door is open at all: one service that answers is enough. A load balancer asks so,
        for else the outage of one service would take the doors to the others away (OPS-16).
        """
        states = dict(
            zip(SERVICES, await asyncio.gather(*(self.services[name].ready() for name in SERVICES)), strict=True)
        )
        why = [f"{name}: {state}" for name, state in states.items() if state != "SERVING"]
        detail = [self._detail(name, state) for name, state in states.items() if state != "SERVING"]
        closed = len(why) == len(SERVICES) or (bool(why) and request.query_params.get("need") != "any")
        if lacking := await self.identity.verifier.lacking():
            closed = True
            why.insert(0, "gateway: no token can be verified")
            detail.insert(0, f"gateway: {lacking}")
        if self.draining:
            closed = True
            why.insert(0, "gateway: draining")
            detail.insert(0, "gateway: draining")
        self._say(detail)
        content = {"status": "not ready" if why else "ready", "services": states, "why": why}
        return Response(answers.dumps(content), 503 if closed else 200, media_type="application/json")

    def _detail(self, service: str, state: str) -> str:
        """With what to do; addresses are for the log alone (SEC-56)."""
        if state == "NOT_SERVING":
            return f"{service}: NOT_SERVING: its log says why in the line `readiness`"
        return f"{service}: {state} at {getattr(self.config, service)}: start it, or correct `{service}`"

    def _say(self, detail: list[str]) -> None:
        if detail != self._said:
            self._said = detail
            write = log.warning if detail else log.info
            write("readiness", ready=not detail, why="; ".join(detail))

    async def openapi(self, request: Request) -> Response:
        """The description of the API; the same for everyone and as long as the process lives."""
        headers = {"etag": self._description_etag, "cache-control": "public, max-age=300"}
        if matches(request.headers.get("if-none-match", ""), self._description_etag):
            return Response(status_code=304, headers=headers)
        return Response(self._description, 200, headers, "application/json")

    async def jwks(self, request: Request) -> Response:
        """Public keys of the built-in issuer."""
        assert self.identity.issuer is not None
        return Response(answers.dumps(issuer.public_keys(self.identity.issuer.key)), 200, media_type="application/json")

    async def dev_token(self, request: Request) -> Response:
        """A token for whom the body names: `{"person": "people/ana"}`."""

        async def work() -> Response:
            value = documents.load(await read_body(request, self.config.max_body_bytes))
            principal = value.get("person") if isinstance(value, dict) else None
            return Response(answers.dumps(await self.identity.issue(principal)), 200, media_type="application/json")

        return await _guarded(request, work)

    async def close(self) -> None:
        """Close the connections to the services and send what traces are left."""
        await asyncio.gather(*(service.close() for service in self.services.values()))
        await self.tracing.close()


async def _guarded(request: Request, work: Callable[[], Awaitable[Response]]) -> Response:
    request_id: str = request.scope["plantops.request_id"]
    try:
        return await work()
    except Fault as fault:
        status, number = status_of(fault)
        return answers.refusal(status, request_id, number)
    except StatusError as error:
        return answers.refusal(error.status, request_id)


async def _http_refusal(request: Request, error: Any) -> Response:
    """What the router refuses by itself, in the form of all refusals."""
    number: int = error.status_code
    status = status_pb2.Status(code=_BY_HTTP.get(number, code_pb2.UNKNOWN), message=f"{error.detail}.")
    return answers.refusal(status, request.scope["plantops.request_id"], number, error.headers)
