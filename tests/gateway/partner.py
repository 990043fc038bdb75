"""A partner played by the tests: a real gRPC server that answers as a test tells it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

Answer = Callable[[Any, Any], Any]
"""(request, context) -> message, or an async iterator of messages; awaited where it is a coroutine."""


@asynccontextmanager
async def partner(service: ServiceDescriptor, answers: Mapping[str, Answer]) -> AsyncIterator[int]:
    """The port of a server for some rpcs of a service; its health is SERVING."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    handlers = {}
    for name, answer in answers.items():
        method = service.methods_by_name[name]
        kinds = [message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type)]
        make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        handlers[name] = make(answer, kinds[0].FromString, kinds[1].SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
    state = health.aio.HealthServicer()
    await state.set("ready", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await asyncio.shield(server.stop(0))
