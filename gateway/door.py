"""Around every request: its id, the headers that protect its answer, one log line, no defect shown."""

import time
from collections.abc import Callable

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import answers
from gateway.calls import request_id_of
from gateway.refusals import DOMAIN
from services.chassis.faults import Internal
from services.chassis.metrics import Metrics

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

    def __init__(self, app: ASGIApp, draining: Callable[[], bool], metrics: Metrics | None = None) -> None:
        self.metrics = metrics or Metrics("gateway", "gateway")
        self.app = app
        self.draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin = time.perf_counter()
        request_id = request_id_of(Headers(scope=scope))
        scope["plantops.request_id"] = request_id
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
            log.exception("defect", request=request_id)
            if status:  # the answer has begun; the server ends the connection
                raise
            response = answers.refusal(Internal(request=request_id).status(DOMAIN), request_id)
            await response(scope, receive, protected)
        finally:
            seconds = time.perf_counter() - begin
            route = scope.get("plantops.route") or (scope["path"] if scope["path"] in OWN_PATHS else "-")
            self.metrics.observe("plantops_http_seconds", seconds, route, str(status))
            log.info(
                "request",
                request=request_id,
                method=scope["method"],
                route=route,
                status=status,
                duration_ms=round(seconds * 1000, 2),
            )
