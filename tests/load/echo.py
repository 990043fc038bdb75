"""An empty gRPC server, the baseline of what a call costs: the answer is the request's bytes (R3).

PLANTOPS_ECHO_PORT=50000 python -m tests.load.echo
"""

import asyncio
import os
import signal
from typing import Any

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

METHOD = "/bench.Echo/Echo"


class _Echo(grpc.GenericRpcHandler):
    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method != METHOD:
            return None
        return grpc.unary_unary_rpc_method_handler(_answer)


async def _answer(request: bytes, context: Any) -> bytes:
    return request


async def _run(port: int) -> None:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),), maximum_concurrent_rpcs=64)
    server.add_generic_rpc_handlers((_Echo(),))
    found = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(found, server)
    await found.set("ready", health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port(f"127.0.0.1:{port}")
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await server.start()
    await ended.wait()
    await server.stop(1)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(int(os.environ["PLANTOPS_ECHO_PORT"])))
