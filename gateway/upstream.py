"""gRPC to the services: channels, deadlines, the one layer that retries, health.

Only UNAVAILABLE is tried again, only what is a read or carries its key, and only while the retry budget lasts
(REL-75): a service that is down is not drowned by its own clients.
"""

import itertools
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.refusals import DOMAIN, StatusError
from gateway.routes import Route
from services.chassis import conventions
from services.chassis.conventions import SERVER_FAULTS
from services.chassis.faults import (
    DeadlineExceeded,
    DependencyUnavailable,
    Fault,
    Internal,
    Overloaded,
    Unauthenticated,
    Unimplemented,
)
from services.chassis.requests import changes
from services.chassis.tracing import SpanKind, Tracing, Work, carried, current, given

log = structlog.get_logger("upstream")

ATTEMPTS = 4
RETRY: Mapping[str, Any] = {
    "maxAttempts": ATTEMPTS,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
BUDGET: Mapping[str, float] = {"maxTokens": 10, "tokenRatio": 0.1}
MAX_ANSWER_BYTES = 16 << 20
TRAVEL_SECONDS = 0.02
"""Kept from the caller's time for the way back (REL-73)."""

_CUT_OFF = frozenset({grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL})

Metadata = tuple[tuple[str, str], ...]


class DeadlinePassed(DeadlineExceeded):
    """No answer within the caller's time; the outcome is unknown until the same request is sent again."""

    reason = "DEADLINE_EXCEEDED"
    text = "No answer within {limit} s; ask again with the same request id."


class OperationUnknown(Unimplemented):
    """The service that runs does not know the operation."""

    text = "{service} does not offer {operation} at present."


def safe(rpc: MethodDescriptor) -> bool:
    """Whether an rpc may be tried again: it carries its key, or it changes nothing."""
    from google.api import annotations_pb2

    reads = rpc.GetOptions().Extensions[annotations_pb2.http].WhichOneof("pattern") == "get"
    return reads or changes(rpc.input_type)


def _ended(work: Work, error: grpc.aio.AioRpcError) -> None:
    code = error.code().name
    work.tell(conventions.rpc_answer(code))
    if code in SERVER_FAULTS:
        work.failed(code)


def _cut_off(error: grpc.aio.AioRpcError) -> bool:
    """Whether a call ended without a word of the service: by the library, as when a replica stops under it.

    What a service says itself, and every defect of it, comes with details.
    """
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    return details is None and error.code() in _CUT_OFF


def target_of(address: str) -> str:
    """What the rpc library takes for an address: `a:1,b:2` are the replicas of a service by number (REL-77).

    A name such as `dns:///materials:50051` is resolved to all replicas, `host:port` to those that the host has.
    """
    if "," not in address or address.startswith(("ipv4:", "ipv6:")):
        return address
    places = [place.strip() for place in address.split(",")]
    hosts = {ip_address(place.rpartition(":")[0].strip("[]")).version for place in places}
    return f"ipv{hosts.pop()}:{','.join(places)}"


class Upstream:
    """One service behind the gateway, with all of its replicas."""

    def __init__(
        self,
        service: str,
        address: str,
        methods: Iterable[MethodDescriptor],
        channels: int = 2,
        tracing: Tracing | None = None,
    ) -> None:
        self.service = service
        self.tracing = tracing or Tracing("gateway")
        names = [
            {"service": rpc.containing_service.full_name, "method": rpc.name}
            for rpc in {method.full_name: method for method in methods}.values()  # one may have several routes
            if safe(rpc) and not rpc.client_streaming
        ]
        rules = {
            "loadBalancingConfig": [{"round_robin": {}}],
            "methodConfig": [{"name": names, "retryPolicy": dict(RETRY)}] if names else [],
            "retryThrottling": dict(BUDGET),
        }
        self._channels = [
            grpc.aio.insecure_channel(
                target_of(address),
                options=(
                    ("grpc.service_config", json.dumps(rules)),
                    ("grpc.use_local_subchannel_pool", 1),  # else all channels share one connection
                    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
                    ("grpc.initial_reconnect_backoff_ms", 100),
                    ("grpc.min_reconnect_backoff_ms", 100),
                    ("grpc.max_reconnect_backoff_ms", 2000),
                    ("grpc.dns_min_time_between_resolutions_ms", 2000),  # a new replica is found soon
                    ("grpc.enable_http_proxy", 0),
                ),
            )
            for _ in range(channels)
        ]
        self._turn = itertools.cycle(range(channels))
        self._calls: dict[tuple[int, str], Any] = {}
        self._health = health_pb2_grpc.HealthStub(self._channels[0])

    async def unary(
        self, route: Route, request: Message, metadata: Metadata, seconds: float
    ) -> tuple[Message, Mapping[str, str]]:
        """The answer and its trailing metadata; StatusError for a refusal.

        A call that a replica cut off while it ended is made once more, where that is safe.
        """
        ends = time.monotonic() + seconds
        with self._traced(route, metadata) as (work, sent):
            for again in (safe(route.rpc), False):
                call = self._begun(route, request, sent, ends - time.monotonic())
                try:
                    answer: Message = await call
                    return answer, {str(key): str(value) for key, value in await call.trailing_metadata() or ()}
                except grpc.aio.AioRpcError as error:
                    if _cut_off(error):
                        log.warning("call cut off", rpc=route.rpc.full_name, code=error.code().name, again=again)
                        if again:
                            continue
                    _ended(work, error)
                    raise self._refusal(route, error, seconds) from None
        raise AssertionError("unreachable")

    async def stream(
        self, route: Route, request: Message, metadata: Metadata, seconds: float
    ) -> AsyncIterator[Message]:
        """The messages of a server stream; StatusError for a refusal, also after the first messages."""
        with self._traced(route, metadata) as (work, sent):
            call = self._begun(route, request, sent, seconds)
            try:
                async for message in call:
                    yield message
            except grpc.aio.AioRpcError as error:
                _ended(work, error)
                raise self._refusal(route, error, seconds) from None
            finally:
                call.cancel()

    @contextmanager
    def _traced(self, route: Route, metadata: Metadata) -> Iterator[tuple[Work, Metadata]]:
        """The client's side of a call, and the metadata with which it goes on."""
        service, method = route.rpc.containing_service, route.rpc.name
        name, attributes = f"{service.name}/{method}", conventions.rpc(service.full_name, method)
        parent = given(metadata) or current()  # what the gateway asks for itself belongs to the request as well
        with self.tracing.work(name, SpanKind.CLIENT, parent, attributes=attributes, current=False) as work:
            yield work, carried(metadata, work) if self.tracing.on else metadata

    def _begun(self, route: Route, request: Message, metadata: Metadata, seconds: float) -> Any:
        """A call with the time that is left less the way back; one that would come too late is not begun (REL-73)."""
        if seconds <= TRAVEL_SECONDS:
            raise StatusError(self._bare(route, code_pb2.DEADLINE_EXCEEDED, seconds).status(DOMAIN))
        return self._call(route)(request, metadata=metadata, timeout=seconds - TRAVEL_SECONDS)

    def _call(self, route: Route) -> Any:
        key = (next(self._turn), route.target)
        if key not in self._calls:
            channel = self._channels[key[0]]
            make = channel.unary_stream if route.rpc.server_streaming else channel.unary_unary
            self._calls[key] = make(
                route.target,
                request_serializer=route.request.SerializeToString,
                response_deserializer=route.response.FromString,
            )
        return self._calls[key]

    def _refusal(self, route: Route, error: grpc.aio.AioRpcError, seconds: float) -> StatusError:
        trailing = dict(error.trailing_metadata() or ())
        replayed = trailing.get("x-idempotent-replay") == "true"
        details = trailing.get("grpc-status-details-bin")
        if isinstance(details, bytes):
            return StatusError(status_pb2.Status.FromString(details), replayed=replayed)
        return StatusError(self._bare(route, error.code().value[0], seconds).status(DOMAIN))

    def _bare(self, route: Route, code: int, seconds: float) -> Fault:
        """What the library said without details; its text names hosts and is not told (SEC-56)."""
        if code == code_pb2.UNAVAILABLE:
            return DependencyUnavailable(dependency=self.service).retry_in(timedelta(seconds=1))
        if code == code_pb2.DEADLINE_EXCEEDED:
            return DeadlinePassed(limit=f"{seconds:.3g}")
        if code == code_pb2.RESOURCE_EXHAUSTED:
            return Overloaded(limit=f"the capacity of {self.service}").retry_in(timedelta(seconds=1))
        if code == code_pb2.UNIMPLEMENTED:
            return OperationUnknown(service=self.service, operation=route.rpc.full_name)
        if code == code_pb2.UNAUTHENTICATED:
            return Unauthenticated("The access token is not accepted.")
        return Internal(request="without an id")

    async def ready(self, seconds: float = 1.0) -> str:
        """`SERVING`, another health status, or why there is none."""
        try:
            answer = await self._health.Check(health_pb2.HealthCheckRequest(service="ready"), timeout=seconds)
        except grpc.aio.AioRpcError as error:
            return "cannot be reached" if error.code() is grpc.StatusCode.UNAVAILABLE else error.code().name
        name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return name

    async def close(self) -> None:
        """Close the connections."""
        for channel in self._channels:
            await channel.close()
