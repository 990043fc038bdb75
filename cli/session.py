"""Talking to a running plant: gRPC by request message, HTTP through the gateway, tokens of the development issuer.

A call that finds a part of the plant away is made again with the same request_id until its patience ends, as
every client should do: the answer is the first one, and nothing is done twice.
"""

import asyncio
import importlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from cli.elsewhere import Elsewhere
from cli.home import SERVICES, Home
from services.chassis.bind import rpc_services

PATIENCE = 90.0
"""Seconds for which a call is repeated while the plant is away."""
CALL_SECONDS = 15.0
TOKEN_SECONDS = 300.0
AWAY = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED})


class Refused(Exception):
    """The plant refused a call: code, reason and metadata of the answer."""

    def __init__(self, code: str, text: str, reason: str = "", metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code} {reason}: {text}" if reason else f"{code}: {text}")
        self.code = code
        self.text = text
        self.reason = reason
        self.metadata = dict(metadata or {})


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, JSON content (None when empty) and headers in lower case."""

    status: int
    content: Any
    headers: Mapping[str, str]


@cache
def methods() -> dict[tuple[str, str], MethodDescriptor]:
    """(request message, rpc name) -> method, of all services of the plant."""
    return {
        (method.input_type.full_name, method.name): method
        for service in SERVICES
        for descriptor in rpc_services(f"plantops.{service}.v1")
        for method in descriptor.methods
    }


@dataclass
class Session:
    """A connection to one plant; closes with `async with`."""

    home: Home | Elsewhere
    patience: float = PATIENCE
    repeated: int = 0
    """Calls that had to be made again because a part of the plant was away."""
    _channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Home | Elsewhere) -> "Session":
        """A session with the plant that runs on a folder; NotRunning when none does."""
        home.addresses()
        return cls(home)

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(self, *error: object) -> None:
        for channel in self._channels.values():
            await channel.close()

    # --- gRPC -----------------------------------------------------------------------------------------------

    async def call(self, person: str, request: Message, *, rpc: str = "", seconds: float = CALL_SECONDS) -> Any:
        """Call the rpc of a request message as a person; Refused when the plant says no."""
        name = rpc or request.DESCRIPTOR.name.removesuffix("Request")
        method = methods()[request.DESCRIPTOR.full_name, name]
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:  # type: ignore[attr-defined]
            request.request_id = str(uuid4())  # type: ignore[attr-defined]
        until = time.monotonic() + self.patience
        while True:
            try:
                return await self._once(method, request, await self.token(person), seconds)
            except grpc.aio.AioRpcError as error:
                if error.code() not in AWAY or time.monotonic() > until:
                    raise refused(error) from None
                self.repeated += 1
                await asyncio.sleep(0.2)

    async def _once(self, method: MethodDescriptor, request: Message, token: str, seconds: float) -> Any:
        kind = message_factory.GetMessageClass(method.output_type)
        call = self._channel(method.containing_service.file.package.split(".")[1]).unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=kind.FromString,
        )
        return await call(request, metadata=(("authorization", f"Bearer {token}"),), timeout=seconds)

    async def pages(self, person: str, request: Message) -> AsyncIterator[Any]:
        """All rows of a list, page by page."""
        while True:
            answer = await self.call(person, request)
            field = next(field for field in answer.DESCRIPTOR.fields if field.is_repeated)
            for row in getattr(answer, field.name):
                yield row
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token  # type: ignore[attr-defined]

    async def stream(self, person: str, request: Message, *, rpc: str, seconds: float = 600) -> AsyncIterator[Any]:
        """All messages of a server stream, which is never begun anew; Refused when the plant says no."""
        method = methods()[request.DESCRIPTOR.full_name, rpc]
        kind = message_factory.GetMessageClass(method.output_type)
        call = self._channel(method.containing_service.file.package.split(".")[1]).unary_stream(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=kind.FromString,
        )(request, metadata=(("authorization", f"Bearer {await self.token(person)}"),), timeout=seconds)
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise refused(error) from None

    def _channel(self, service: str) -> grpc.aio.Channel:
        address = self.home.addresses().services[service]
        if address not in self._channels:
            self._channels[address] = grpc.aio.insecure_channel(
                address,
                options=(
                    ("grpc.initial_reconnect_backoff_ms", 100),
                    ("grpc.max_reconnect_backoff_ms", 1000),
                ),
            )
        return self._channels[address]

    # --- HTTP -----------------------------------------------------------------------------------------------

    async def http(
        self, person: str, method: str, path: str, content: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One HTTP call through the gateway as a person; a POST gets an Idempotency-Key; Refused for a problem."""
        given = {"Authorization": f"Bearer {await self.token(person)}", **(headers or {})}
        if method in {"POST", "PATCH"}:
            given.setdefault("Idempotency-Key", str(uuid4()))
        until = time.monotonic() + self.patience
        while True:
            try:
                answer = await asyncio.to_thread(self._http, method, path, content, given)
            except OSError as error:
                answer = Answer(503, {"detail": str(error)}, {})
            if answer.status not in {429, 503, 504} or time.monotonic() > until:
                break
            self.repeated += 1
            await asyncio.sleep(0.2)
        if answer.status >= 400:
            problem = answer.content if isinstance(answer.content, dict) else {}
            raise Refused(str(answer.status), str(problem.get("detail", "")), str(problem.get("reason", "")))
        return answer

    async def probe(self, path: str) -> tuple[int, Any]:
        """Status and content of a path of the gateway, 0 when it does not answer; never repeated."""
        try:
            answer = await asyncio.to_thread(self._http, "GET", path, None, {})
        except OSError as error:
            return 0, str(error)
        return answer.status, answer.content

    def _http(self, method: str, path: str, content: Any, headers: Mapping[str, str]) -> Answer:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(
            self.home.addresses().gateway + path,
            data=data,
            method=method,
            headers={**headers, **({"Content-Type": "application/json"} if data is not None else {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:
                return _answer(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.read(), error.headers)

    # --- who ------------------------------------------------------------------------------------------------

    async def token(self, person: str) -> str:
        """An access token of the development issuer for a person; remembered for five minutes."""
        if isinstance(self.home, Elsewhere):
            return self.home.token(person)
        known = self._tokens.get(person)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        until = time.monotonic() + self.patience
        while True:
            try:
                answer = await asyncio.to_thread(self._http, "POST", "/dev/token", {"person": person}, {})
            except OSError as error:
                answer = Answer(503, {"detail": str(error)}, {})
            if answer.status == 200:
                token = str(answer.content["access_token"])
                self._tokens[person] = token, time.monotonic() + TOKEN_SECONDS
                return token
            if answer.status < 500 or time.monotonic() > until:
                problem = answer.content if isinstance(answer.content, dict) else {}
                raise Refused(
                    str(answer.status), str(problem.get("detail", "no token")), str(problem.get("reason", ""))
                )
            self.repeated += 1
            await asyncio.sleep(0.2)

    def forget_tokens(self) -> None:
        """Ask for new tokens: grants have changed."""
        self._tokens.clear()


def refused(error: grpc.aio.AioRpcError) -> Refused:
    """The refusal that an rpc error carries."""
    data = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    status = status_pb2.Status.FromString(data) if isinstance(data, bytes) and data else status_pb2.Status()
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return Refused(error.code().name, error.details() or "", info.reason, info.metadata)
    return Refused(error.code().name, error.details() or "")


def module(path: str) -> Any:
    """A generated module, such as `maintenance.assets`."""
    service, _, name = path.partition(".")
    return importlib.import_module(f"plantops.{service}.v1.{name}_pb2")


def _answer(status: int, data: bytes, headers: Any) -> Answer:
    try:
        content = json.loads(data) if data else None
    except ValueError:
        content = data.decode(errors="replace")
    return Answer(status, content, {key.lower(): value for key, value in headers.items()})
