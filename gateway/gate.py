"""Before everything else: how many requests are let in for each service; those beyond are refused at once (REL-76).

The refusal is made of finished bytes, without reading the body, looking at the token, tracing or a log line of its
own: under ten times the load that a service can carry, refusing must not cost what answering would. A service that
is slow fills its own places and leaves those of the others alone. Health is never refused.
"""

import random
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import answers
from gateway.door import PROTECTION
from gateway.refusals import DOMAIN
from gateway.routes import Table
from services.chassis.faults import Overloaded
from services.chassis.metrics import Metrics

log = structlog.get_logger("gate")

HEALTH = frozenset({"/healthz", "/readyz"})
RETRY_SECONDS = (1, 2, 3)
"""One of them is told, so that refused clients do not come back all at once."""
_PROTECTION = {name.encode(): PROTECTION[name].encode() for name in ("x-content-type-options", "cache-control")}
"""What concerns a document that no browser shows; each header more makes the refusal dearer."""
_ID = "00000000-0000-0000-0000-000000000000"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_Headers = list[tuple[bytes, bytes]]
_Answer = tuple[_Headers, bytes, bytes]


class Gate:
    """ASGI middleware around everything, with `limit` places for each service and for the gateway's own answers."""

    def __init__(
        self,
        app: ASGIApp,
        table: Table,
        limit: int,
        draining: Callable[[], bool],
        metrics: Metrics | None = None,
    ) -> None:
        self.metrics = metrics or Metrics("gateway", "gateway")
        self.app = app
        self.limit = limit
        self.inside: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._table = table
        self._draining = draining
        self._answers: dict[tuple[str, int], _Answer] = {}
        self._told: Counter[str] = Counter()
        self._told_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http" or scope["path"] in HEALTH:
            await self.app(scope, receive, send)
            return
        service = self._service(scope["path"])
        if self.inside[service] >= self.limit:
            headers, body = self._refusal(service, scope["headers"])
            await send({"type": "http.response.start", "status": 429, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        self.inside[service] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.inside[service] -= 1

    def early(self, path: str, given: _Headers) -> tuple[_Headers, bytes] | None:
        """Headers and body of a refusal if there is no place now; None to let the request come."""
        if path in HEALTH:
            return None
        service = self._service(path)
        return self._refusal(service, given) if self.inside[service] >= self.limit else None

    def _service(self, path: str) -> str:
        found = self._table.find(path)
        return next(iter(found.values()))[0].service if found else "gateway"

    def _refusal(self, service: str, given: _Headers) -> tuple[_Headers, bytes]:
        self.refused[service] += 1
        self.metrics.inc("plantops_shed_total", service, "calls")
        self._tell()
        headers, before, after = self._answer(service, random.choice(RETRY_SECONDS))
        request_id = next((value for name, value in given if name == b"x-request-id"), b"")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = b"%032x" % random.getrandbits(128)
        body = before + request_id + after
        headers = [*headers, (b"x-request-id", request_id), (b"content-length", b"%d" % len(body))]
        if self._draining():
            headers.append((b"connection", b"close"))
        return headers, body

    def _answer(self, service: str, seconds: int) -> _Answer:
        key = (service, seconds)
        if key not in self._answers:
            fault = Overloaded(limit=f"the capacity of {service}").retry_in(timedelta(seconds=seconds))
            response = answers.refusal(fault.status(DOMAIN), _ID)
            before, _, after = bytes(response.body).partition(_ID.encode())
            own = {name: value for name, value in response.raw_headers if name != b"content-length"}
            self._answers[key] = ([*(_PROTECTION | own).items()], before, after)
        return self._answers[key]

    def _tell(self) -> None:
        """One line a second at most, with what was refused since the last one."""
        now = time.monotonic()
        if now - self._told_at >= 1:
            log.warning("refused", **(self.refused - self._told))
            self._told, self._told_at = Counter(self.refused), now
