"""Around every request: its id, the headers that protect its answer, one log line, no defect shown."""

import time
from collections.abc import Callable

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from gateway import answers
from gateway.calls import request_id_of
from gateway.refusals import DOMAIN
from services.chassis import conventions
from services.chassis.faults import Internal
from services.chassis.metrics import Metrics
from services.chassis.tracing import SpanKind, Tracing, Work

log = structlog.get_logger("http")

PROTECTION = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""For answers that do not say otherwise themselves."""


OWN_PATHS = frozenset({"/healthz", "/readyz", "/openapi.json", "/.well-known/jwks.json", "/dev/token"})
"""What the gateway answers beside the routes of the contract."""


class Door:
    """ASGI middleware around the whole gateway."""

    def __init__(
        self,
        app: ASGIApp,
        draining: Callable[[], bool],
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.tracing = tracing or Tracing("gateway")
        self.metrics = metrics or Metrics("gateway", "gateway")
        self.app = app
        self.draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = scope["plantops.request_id"] = request_id_of(headers)
        verb, parent = scope["method"], headers.get("traceparent", "")
        with (
            self.tracing.work(verb, SpanKind.SERVER, parent, attributes=conventions.http_request(verb)) as work,
            bound_contextvars(request_id=request_id, actor="", site="", **work.ids),
        ):
            scope["plantops.traceparent"] = work.traceparent
            await self._pass(scope, receive, send, work)

    async def _pass(self, scope: Scope, receive: Receive, send: Send, work: Work) -> None:
        begin = time.perf_counter()
        request_id = scope["plantops.request_id"]
        status = 0

        async def protected(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in PROTECTION.items():
                    headers.setdefault(name, value)
                headers["x-request-id"] = request_id
                if self.draining():
                    headers["connection"] = "close"
            await send(message)

        try:
            await self.app(scope, receive, protected)
        except Exception:
            log.exception("defect")
            if status:  # the answer has begun; the server ends the connection
                raise
            response = answers.refusal(Internal(request=request_id).status(DOMAIN), request_id)
            await response(scope, receive, protected)
        finally:
            seconds = time.perf_counter() - begin
            route = scope.get("plantops.route") or (scope["path"] if scope["path"] in OWN_PATHS else "-")
            self.metrics.observe("plantops_http_seconds", seconds, route, str(status))
            work.rename(f"{scope['method']} {route}")
            work.tell(conventions.http_answer(route, status))
            if status >= 500:
                work.failed(str(status))
            duration = round(seconds * 1000, 2)
            log.info("request", method=scope["method"], route=route, status=status, duration_ms=duration)
