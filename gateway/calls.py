"""One HTTP request as the services see it: the caller's token, the time that is left, the trace."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from google.protobuf.message import Message
from google.rpc import code_pb2

from gateway.refusals import HeaderInvalid, StatusError
from gateway.routes import Route
from gateway.upstream import Metadata, Upstream
from services.chassis.tokens import Claims

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_GRPC_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_SECONDS = re.compile(r"\d{1,6}(\.\d{1,6})?")
SHARE = 0.8
"""Part of the time that a question to several services may take, so that an answer without one arrives in time."""


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, until when, under which ids; goes on to every service that is asked."""

    token: str
    claims: Claims
    request_id: str
    traceparent: str
    seconds: float
    begin: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds that are left; none or fewer when the time is over."""
        return self.seconds - (time.monotonic() - self.begin)

    @property
    def metadata(self) -> Metadata:
        """The only headers that travel on; whatever else came from outside stays outside (SEC-3)."""
        return (
            ("authorization", f"Bearer {self.token}"),
            ("traceparent", self.traceparent),
            ("x-request-id", self.request_id),
        )


def request_id_of(headers: Mapping[str, str]) -> str:
    """The caller's request id if it is a plain one, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid4())


def seconds_of(headers: Mapping[str, str], limit: float) -> float:
    """The caller's time limit (X-Request-Timeout in seconds, or grpc-timeout), never above ours."""
    if text := headers.get("x-request-timeout", ""):
        if not _SECONDS.fullmatch(text) or not float(text):
            raise HeaderInvalid(header="X-Request-Timeout", why="it must be a number of seconds such as 2.5")
        return min(limit, float(text))
    if text := headers.get("grpc-timeout", ""):
        found = _GRPC_TIMEOUT.fullmatch(text)
        if not found or not int(found[1]):
            raise HeaderInvalid(header="grpc-timeout", why="it must be a number and a unit such as 500m")
        return min(limit, int(found[1]) * _UNITS[found[2]])
    return limit


async def ask_all(
    services: Mapping[str, Upstream], questions: Mapping[str, tuple[Route, list[Any]]], call: Call
) -> tuple[dict[str, list[Message]], list[str]]:
    """Ask several services at once: answers by service, and who could not be asked; another refusal is raised."""

    async def ask(service: str, route: Route, request: Any) -> Message:
        answer, _ = await services[service].unary(route, request, call.metadata, call.left * SHARE)
        return answer

    async def ask_one(service: str) -> list[Message] | None:
        route, requests = questions[service]
        try:
            return list(await asyncio.gather(*(ask(service, route, request) for request in requests)))
        except StatusError as error:
            if error.status.code in (code_pb2.UNAVAILABLE, code_pb2.DEADLINE_EXCEEDED):
                return None
            raise

    results = await asyncio.gather(*(ask_one(service) for service in questions), return_exceptions=True)
    found: dict[str, list[Message]] = {}
    missing: list[str] = []
    for service, result in zip(questions, results, strict=True):
        if isinstance(result, BaseException):
            raise result
        if result is None:
            missing.append(service)
        else:
            found[service] = result
    return found, missing
