"""A plain class <-> an rpc service, by descriptor; the start fails where they differ.

A class bears the rpc service's name and has one coroutine per rpc in snake_case. Unary methods take
(request, unit); a server stream is an async generator (request, unit); a client stream or a stream both ways
takes (requests, open_unit) and opens a unit per message.
"""

import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import cache
from types import ModuleType
from typing import Any
from uuid import uuid4

import grpc
import structlog
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from structlog.contextvars import bind_contextvars

from services.chassis import access, admission, conventions
from services.chassis.admission import shed_reason
from services.chassis.command import Call, Commands, complete
from services.chassis.conventions import SERVER_FAULTS
from services.chassis.faults import Fault, Internal, InvalidArgument, Overloaded, grpc_code
from services.chassis.idempotency import StoredRefusal
from services.chassis.tracing import SpanKind, Work, given

log = structlog.get_logger("rpc")

REPLAY = (("x-idempotent-replay", "true"),)
LONGEST_ID = 128


def snake(name: str) -> str:
    """WorkOrderService -> work_order_service."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def rpc_services(package: str) -> list[ServiceDescriptor]:
    """All rpc services of a proto package, found among its generated modules."""
    root = importlib.import_module(package)
    found: dict[str, ServiceDescriptor] = {}
    for module in pkgutil.iter_modules(root.__path__):
        if module.name.endswith("_pb2"):
            descriptor = importlib.import_module(f"{package}.{module.name}").DESCRIPTOR
            found.update({service.full_name: service for service in descriptor.services_by_name.values()})
    return [found[name] for name in sorted(found)]


def load(folder: ModuleType) -> list[ModuleType]:
    """All modules of a folder, imported."""
    return [
        importlib.import_module(f"{folder.__name__}.{module.name}") for module in pkgutil.iter_modules(folder.__path__)
    ]


def implementations(folder: ModuleType, services: Iterable[ServiceDescriptor]) -> dict[str, object]:
    """One object per rpc service, found in the modules of an `api` folder by its class name."""
    wanted = {service.name: service for service in services}
    found: dict[str, object] = {}
    for module in load(folder):
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and name in wanted and kind.__module__.startswith(folder.__name__):
                found[wanted[name].full_name] = kind()
    missing = sorted(service.full_name for service in wanted.values() if service.full_name not in found)
    if missing:
        raise TypeError(f"no class in {folder.__name__} for {', '.join(missing)}")
    return found


def bind(service: ServiceDescriptor, implementation: object, commands: Commands) -> grpc.GenericRpcHandler:
    """Handlers for an rpc service; TypeError names methods that are missing or unknown."""
    wanted = {snake(method.name): method for method in service.methods}
    have = {
        name
        for name, member in vars(type(implementation)).items()
        if not name.startswith("_") and (inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member))
    }
    if have != set(wanted):
        missing, unknown = sorted(set(wanted) - have), sorted(have - set(wanted))
        raise TypeError(f"{service.full_name}: missing {missing}, unknown {unknown}")
    handlers: dict[str, Any] = {}
    for name, method in wanted.items():
        access.scope_of(method)
        handlers[method.name] = _handler(method, getattr(implementation, name), commands)
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


def _handler(method: MethodDescriptor, body: Any, commands: Commands) -> Any:
    make: Any
    if method.client_streaming:
        if method.server_streaming:
            make, call = grpc.stream_stream_rpc_method_handler, _both_ways(method, body, commands)
        else:
            make, call = grpc.stream_unary_rpc_method_handler, _client_stream(method, body, commands)
    elif method.server_streaming:
        make, call = grpc.unary_stream_rpc_method_handler, _server_stream(method, body, commands)
    else:
        make, call = grpc.unary_unary_rpc_method_handler, _unary(method, body, commands)

    def written(answer: Message | bytes) -> bytes:
        return answer if isinstance(answer, bytes) else answer.SerializeToString()

    return make(call, None, written)


class MessageUnreadable(InvalidArgument):
    """The bytes of a request are no message of the rpc's type."""

    text = "The request is no {type}."


@cache
def _parser(method: MethodDescriptor) -> Callable[[bytes], Message]:
    found: Callable[[bytes], Message] = message_factory.GetMessageClass(method.input_type).FromString
    return found


def _read(method: MethodDescriptor, content: bytes) -> Message:
    """The request of its bytes; parsed here, so that bad bytes are answered like every bad input."""
    try:
        return _parser(method)(content)
    except DecodeError:
        raise MessageUnreadable(type=method.input_type.full_name) from None


async def _read_all(method: MethodDescriptor, contents: AsyncIterator[bytes]) -> AsyncIterator[Message]:
    async for content in contents:
        yield _read(method, content)


def _unary(method: MethodDescriptor, body: Any, commands: Commands) -> Any:
    place = commands.work_of(method, body)

    async def call(content: bytes, context: Any) -> Message | bytes:
        async def work(traced: Work) -> Message | bytes:
            reply = await commands.run(method, _read(method, content), _call(context, traced), body)
            if reply.replayed:
                context.set_trailing_metadata(REPLAY)
            return reply.content if reply.message is None else reply.message

        answer: Message | bytes = await _guarded(method, context, commands, work, place)
        return answer

    return call


def _client_stream(method: MethodDescriptor, body: Any, commands: Commands) -> Any:
    kind = message_factory.GetMessageClass(method.output_type)

    async def call(contents: AsyncIterator[bytes], context: Any) -> Message:
        async def work(traced: Work) -> Message:
            requests = _read_all(method, contents)
            return await complete(kind(), await body(requests, commands.streams.opener(method, _call(context, traced))))

        answer: Message = await _guarded(method, context, commands, work)
        return answer

    return call


def _server_stream(method: MethodDescriptor, body: Any, commands: Commands) -> Any:
    async def call(content: bytes, context: Any) -> None:
        async def work(traced: Work) -> None:
            request = _read(method, content)
            async with aclosing(commands.streams.read(method, request, _call(context, traced), body)) as messages:
                async for message in messages:
                    await context.write(message)

        await _guarded(method, context, commands, work)

    return call


def _both_ways(method: MethodDescriptor, body: Any, commands: Commands) -> Any:
    kind = message_factory.GetMessageClass(method.output_type)

    async def call(contents: AsyncIterator[bytes], context: Any) -> None:
        async def work(traced: Work) -> None:
            requests = _read_all(method, contents)
            async for result in body(requests, commands.streams.opener(method, _call(context, traced))):
                await context.write(await complete(kind(), result))

        await _guarded(method, context, commands, work)

    return call


def _call(context: Any, traced: Work) -> Call:
    metadata = dict(context.invocation_metadata() or ())
    scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
    peer = str(context.peer() or "")
    return Call(
        token=token.strip() if scheme.lower() == "bearer" else "",
        timeout=context.time_remaining(),
        traceparent=traced.traceparent,
        ip=peer.rpartition(":")[0].partition(":")[2],
    )


@cache
def rpc_label(method: MethodDescriptor) -> str:
    """An rpc in metrics, logs and traces: `WorkOrderService/CompleteWorkOrder`."""
    return f"{method.containing_service.name}/{method.name}"


async def _guarded(
    method: MethodDescriptor,
    context: Any,
    commands: Commands,
    work: Callable[[Work], Awaitable[Any]],
    place: admission.Work | None = None,
) -> Any:
    """Run the work if there is a place for it; a call in excess is refused before anything is done for it (REL-76)."""
    try:
        commands.admission.enter(context.time_remaining(), place)
    except Overloaded as fault:  # no log line: there may be thousands in a second
        commands.metrics.inc("plantops_shed_total", rpc_label(method), shed_reason(fault))
        await _abort(context, fault.status(f"{commands.service}.plantops"))
    try:
        return await _answered(method, context, commands, work)
    finally:
        commands.admission.leave()


async def _answered(
    method: MethodDescriptor, context: Any, commands: Commands, work: Callable[[Work], Awaitable[Any]]
) -> Any:
    """Run the work; answer a fault as its status, a defect as INTERNAL without its details; log one line."""
    begin = time.perf_counter()
    metrics, label = commands.metrics, rpc_label(method)
    metrics.add("plantops_rpc_in_flight", 1, label)
    metadata = dict(context.invocation_metadata() or ())
    request = str(metadata.get("x-request-id", ""))[:LONGEST_ID] or uuid4().hex
    status: status_pb2.Status | None = None
    ended, reason = "CANCELLED", ""
    kind, attributes = SpanKind.SERVER, conventions.rpc(method.containing_service.full_name, method.name)
    with commands.tracing.work(label, kind, given(metadata), attributes=attributes) as traced:
        # a call is a task of its own: what is bound here ends with it
        bind_contextvars(request_id=request, method=method.full_name, actor="", site="", **traced.ids)
        try:
            answer = await work(traced)
            ended = "OK"
            return answer
        except StoredRefusal as refusal:
            status, reason = refusal.status, "STORED_REFUSAL"
            await _abort(context, status, REPLAY)
        except Fault as fault:
            status, reason = fault.status(f"{commands.service}.plantops"), fault.reason
            if isinstance(fault, Overloaded):
                metrics.inc("plantops_shed_total", label, shed_reason(fault))
            await _abort(context, status)
        except Exception:
            log.exception("defect")
            status, reason = Internal(request=request).status(f"{commands.service}.plantops"), "DEFECT"
            await _abort(context, status)
        finally:
            code, seconds = grpc_code(status.code).name if status is not None else ended, time.perf_counter() - begin
            metrics.add("plantops_rpc_in_flight", -1, label)
            metrics.observe("plantops_rpc_seconds", seconds, label, code)
            traced.tell(conventions.rpc_answer(code))
            if code in SERVER_FAULTS:
                traced.failed(code)
            # the reason and not the sentence, which repeats what was sent
            log.info("request", code=code, reason=reason, duration_ms=round(seconds * 1000, 2))


async def _abort(context: Any, status: status_pb2.Status, extra: tuple[tuple[str, str], ...] = ()) -> None:
    await context.abort(
        grpc_code(status.code),
        status.message,
        (("grpc-status-details-bin", status.SerializeToString()), *extra),
    )
