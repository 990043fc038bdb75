"""Commands as a careful client sends them: each with an id of its own, the same one again until the outcome is known.

What became of each command is kept, since that is what the checkers compare the databases with.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

import grpc
import httpx
from google.api import annotations_pb2
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from services.chassis.bind import rpc_services
from tests.faults.plant import CAST, SERVICES, Plant, crowd

CALL_SECONDS = 3.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Between two attempts, doubled each time: a client that asks at once again drowns what has just come back."""
FINAL = frozenset({"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "ALREADY_EXISTS", "OUT_OF_RANGE",
                   "PERMISSION_DENIED"})  # fmt: skip
"""Refusals after which the same command is not sent again."""
STORED = frozenset({"FAILED_PRECONDITION", "ALREADY_EXISTS", "OUT_OF_RANGE"})
"""Of these, the ones that are answered the same for ever (REL-62)."""
UNKNOWN, ACKNOWLEDGED, REFUSED = "unknown", "acknowledged", "refused"
_HTTP_CODES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
               409: "ABORTED", 412: "ABORTED", 422: "INVALID_ARGUMENT"}  # fmt: skip


class Refused(Exception):
    """The plant said no: code and reason."""

    def __init__(self, code: str, reason: str, text: str) -> None:
        super().__init__(f"{code} {reason}: {text}")
        self.code = code
        self.reason = reason


class Unanswered(Exception):
    """The outcome of a command is unknown; it is asked for again when the faults have ended."""


@dataclass
class Command:
    """One command and what is known of it."""

    person: str
    request: Message
    method: MethodDescriptor
    gateway: bool = False
    outcome: str = UNKNOWN
    answer: Message | None = None
    code: str = ""
    sent: int = 0
    replayed: int = 0
    waited: float = 0.0
    """Seconds from the first to the last attempt."""
    refusals: list[str] = field(default_factory=list)
    """What it was answered before its outcome was known."""

    @property
    def id(self) -> str:
        """Its request id."""
        return str(self.request.request_id)  # type: ignore[attr-defined]

    @property
    def service(self) -> str:
        """Who executes it."""
        return str(self.method.containing_service.file.package.split(".")[1])

    @property
    def kind(self) -> str:
        """Name of its rpc."""
        return str(self.method.name)


@cache
def methods() -> dict[tuple[str, str], MethodDescriptor]:
    """(request message, rpc name) -> method, of all services."""
    return {
        (method.input_type.full_name, method.name): method
        for service in SERVICES
        for descriptor in rpc_services(f"plantops.{service}.v1")
        for method in descriptor.methods
    }


@dataclass
class Caller:
    """Calls the plant as people and suppliers would; remembers every command."""

    plant: Plant
    chance: random.Random
    patience: float = 20.0
    seconds: float = field(default_factory=lambda: CALL_SECONDS * crowd())
    gateway_share: float = 0.0
    duplicate_share: float = 0.0
    commands: list[Command] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    """Commands that were answered differently when they were sent again."""
    internal: list[str] = field(default_factory=list)
    """Commands that were answered INTERNAL."""
    awaited: set[str] = field(default_factory=set)
    """What somebody waits for just now."""
    _channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    _http: httpx.AsyncClient | None = None
    _turn: int = 0

    async def __aenter__(self) -> "Caller":
        self._http = httpx.AsyncClient(base_url=f"http://{self.plant.addresses['gateway']}", trust_env=False)
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
        if self._http is not None:
            await self._http.aclose()

    # --- commands -------------------------------------------------------------------------------------------

    async def do(self, person: str, request: Any, *, rpc: str = "") -> Any:
        """Send a command until its outcome is known: its answer, Refused, or Unanswered when patience ends."""
        if not request.request_id:
            request.request_id = str(UUID(int=self.chance.getrandbits(128), version=4))
        name = rpc or request.DESCRIPTOR.name.removesuffix("Request")
        method = methods()[request.DESCRIPTOR.full_name, name]
        command = Command(f"people/{person}", request, method, self.chance.random() < self.gateway_share)
        again = self.chance.random() < self.duplicate_share
        self.commands.append(command)
        answer = await self.finish(command)
        if again:
            await self.repeat(command)
        return answer

    async def finish(self, command: Command) -> Any:
        """Send one command, with the same id, until it is answered."""
        begin = time.monotonic()
        self.awaited.add(f"{command.kind} {command.id}")
        try:
            return await self._finished(command, begin)
        finally:
            self.awaited.discard(f"{command.kind} {command.id}")

    async def _finished(self, command: Command, begin: float) -> Any:
        pause = FIRST_PAUSE
        while True:
            command.sent += 1
            try:
                answer, replayed = await self._once(command)
            except Refused as refusal:
                command.refusals.append(f"{time.monotonic() - begin:.1f} {str(refusal)[:80]}")
                if refusal.code in {"INTERNAL", "UNKNOWN"}:
                    self.internal.append(f"{command.kind} {command.id}: {refusal}")
                if refusal.code in FINAL:
                    command.waited = max(command.waited, time.monotonic() - begin)
                    command.outcome, command.code = REFUSED, refusal.code
                    raise
                if time.monotonic() - begin > self.patience:
                    command.code = refusal.code
                    raise Unanswered(f"{command.kind}: {refusal}") from None
                await asyncio.sleep(random.uniform(pause / 2, pause))
                pause = min(LONGEST_PAUSE, pause * 2)
                continue
            command.waited = max(command.waited, time.monotonic() - begin)
            command.outcome, command.answer = ACKNOWLEDGED, answer
            command.replayed += replayed
            return answer

    async def repeat(self, command: Command) -> None:
        """Send a command that was answered once more: the answer must be the first one (REL-60)."""
        known, outcome = command.answer, command.outcome
        try:
            answer = await self.finish(command)
        except Refused as refusal:
            if outcome == ACKNOWLEDGED or refusal.code != command.code:
                self.differing.append(f"{command.kind} {command.id}: first {outcome}, then {refusal}")
            command.outcome, command.answer = outcome, known
            return
        except Unanswered:
            return
        if outcome != ACKNOWLEDGED or answer != known:
            self.differing.append(f"{command.kind} {command.id}: first {outcome}, then another answer")
        command.outcome, command.answer = outcome, known

    async def _once(self, command: Command) -> tuple[Message, int]:
        if command.gateway:
            return await self._over_http(command)
        return await self._over_grpc(command)

    async def _over_grpc(self, command: Command) -> tuple[Message, int]:
        call = self._stub(command.method)(
            command.request, metadata=(("authorization", f"Bearer {self.token(command.person)}"),), timeout=self.seconds
        )
        try:
            answer: Message = await call
            trailing = dict(await call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            raise _refused(error) from None
        return answer, int(trailing.get("x-idempotent-replay") == "true")

    async def _over_http(self, command: Command) -> tuple[Message, int]:
        assert self._http is not None
        path, body = http_form(command.method, command.request)
        headers = {"authorization": f"Bearer {self.token(command.person)}", "idempotency-key": command.id}
        try:
            answer = await self._http.post(path, json=body, headers=headers, timeout=self.seconds)
        except httpx.HTTPError as error:
            raise Refused("UNAVAILABLE", type(error).__name__, str(error)) from None
        content: Any = answer.json() if answer.content else {}
        if answer.status_code >= 400:
            code = _HTTP_CODES.get(answer.status_code, "UNAVAILABLE")
            raise Refused(
                str(content.get("code", code)), str(content.get("reason", "")), str(content.get("detail", ""))
            )
        message = message_factory.GetMessageClass(command.method.output_type)()
        json_format.ParseDict(content, message)
        return message, int(answer.headers.get("idempotent-replay") == "true")

    # --- reads ----------------------------------------------------------------------------------------------

    async def read(self, person: str, request: Any, *, rpc: str = "", seconds: float = 60.0) -> Any:
        """A read, tried again while a part of the plant is away."""
        name = rpc or request.DESCRIPTOR.name.removesuffix("Request")
        method = methods()[request.DESCRIPTOR.full_name, name]
        until = time.monotonic() + seconds
        while True:
            try:
                metadata = (("authorization", f"Bearer {self.token(f'people/{person}')}"),)
                return await self._stub(method)(request, metadata=metadata, timeout=self.seconds)
            except grpc.aio.AioRpcError as error:
                refusal = _refused(error)
                if refusal.code in FINAL or time.monotonic() > until:
                    raise refusal from None
                await asyncio.sleep(0.2)

    async def until(self, what: str, read: Any, seconds: float = 60.0) -> Any:
        """Read until something is there."""
        until = time.monotonic() + seconds
        self.awaited.add(what)
        try:
            while True:
                found = await read()
                if found:
                    return found
                if time.monotonic() > until:
                    raise Unanswered(f"{what} did not happen within {seconds:g} s")
                await asyncio.sleep(0.1)
        finally:
            self.awaited.discard(what)

    def token(self, person: str) -> str:
        """An access token with the person's roles, made anew every five minutes."""
        known = self._tokens.get(person)
        if known is None or known[1] < time.monotonic():
            made = self.plant.ground.issuer.token(person, {"-": CAST[person]})
            known = self._tokens[person] = made, time.monotonic() + 300
        return known[0]

    def _stub(self, method: MethodDescriptor) -> Any:
        service = str(method.containing_service.file.package.split(".")[1])
        mine = [name for name in self.plant.replicas if name.partition("-")[0] == service]
        self._turn += 1
        address = self.plant.addresses[mine[self._turn % len(mine)]]
        if address not in self._channels:
            options = (("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 50),
                       ("grpc.max_reconnect_backoff_ms", 300), ("grpc.enable_http_proxy", 0))  # fmt: skip
            self._channels[address] = grpc.aio.insecure_channel(address, options=options)
        kind = message_factory.GetMessageClass(method.output_type)
        return self._channels[address].unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=message_factory.GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=kind.FromString,
        )


def http_form(method: MethodDescriptor, request: Message) -> tuple[str, Any]:
    """Path and JSON body of a command, from the route that the contract gives it."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    template = str(getattr(rule, verb))
    content = json_format.MessageToDict(request)
    content.pop("requestId", None)
    begin, end = template.find("{"), template.find("}")
    path = template
    if begin >= 0:
        field = template[begin + 1 : end].partition("=")[0]
        name = json_format.MessageToDict(request, preserving_proto_field_name=True)[field]
        content.pop(json_name(request, field))
        path = template[:begin] + str(name) + template[end + 1 :]
    if rule.body == "*":
        return path, content
    inner = content.pop(json_name(request, rule.body), {})
    query = "&".join(f"{key}={value}" for key, value in content.items())
    return (f"{path}?{query}" if query else path), inner


def json_name(message: Message, field: str) -> str:
    """JSON name of a field."""
    return str(message.DESCRIPTOR.fields_by_name[field].json_name)


def posted(method: MethodDescriptor) -> bool:
    """Whether the contract gives an rpc a POST route."""
    return method.GetOptions().Extensions[annotations_pb2.http].WhichOneof("pattern") == "post"


def _refused(error: grpc.aio.AioRpcError) -> Refused:
    data = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    status = status_pb2.Status.FromString(data) if isinstance(data, bytes) and data else status_pb2.Status()
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return Refused(error.code().name, info.reason, error.details() or "")
    return Refused(error.code().name, "", error.details() or "")


def counted(commands: Sequence[Command]) -> Mapping[str, int]:
    """Commands by outcome."""
    found = {"sent": len(commands), ACKNOWLEDGED: 0, REFUSED: 0, UNKNOWN: 0}
    for command in commands:
        found[command.outcome] += 1
    return found
