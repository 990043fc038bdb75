"""What benchmarks run on: durable engines, migrated databases, and one service as a process of its own."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli import databases
from cli.engines import Engines, free_port, start
from cli.processes import Child
from services.chassis import bus, migrate
from services.chassis.bind import rpc_services
from tests.plant import PASSWORDS, config_of
from tests.signing import AUDIENCE, ISSUER, Issuer

BOSS = "people/boss"
EVERYTHING = {
    "-": ["administrator", "planner", "technician", "storekeeper", "stockplanner", "inspector", "buyer", "operations"]
}


@dataclass(frozen=True, slots=True)
class Stage:
    """Durable engines with the databases of all services, migrated, and an issuer of tokens."""

    folder: Path
    engines: Engines
    issuer: Issuer

    def urls(self, service: str) -> databases.DatabaseUrls:
        """Addresses of a service's database."""
        return databases.urls(self.engines.postgres_url, service, PASSWORDS)

    def superuser(self, service: str) -> str:
        """A superuser's address of a service's database."""
        return self.engines.postgres_url.rsplit("/", 1)[0] + f"/{service}"

    def config(self, service: str) -> Any:
        """A service's configuration for running it in this process."""
        return config_of(service, self.engines, self.urls(service), self.issuer, principals={BOSS: EVERYTHING})

    def token(self, roles: dict[str, list[str]] = EVERYTHING, who: str = BOSS) -> str:
        """A token of somebody who may do everything, for an hour."""
        return self.issuer.token(who, roles, exp=int(time.time()) + 3600)


@contextmanager
def stage() -> Iterator[Stage]:
    """Engines as in production: every commit and every message is written through to disk."""
    with tempfile.TemporaryDirectory(prefix="plantops-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the servers' account passes through
        with start(folder, durable=True) as engines:
            databases.bootstrap(engines.postgres_url, PASSWORDS)
            found = Stage(folder, engines, Issuer(folder))
            for service in databases.SERVICES:
                migrate.upgrade(service, found.urls(service).migrator)
            yield found


async def until(true: Callable[[], bool], pause: float, seconds: float = 60) -> None:
    """Wait for something in this process; TimeoutError after so many seconds."""
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            raise TimeoutError("it did not happen in time")
        await asyncio.sleep(pause)


async def apply_streams(found: Stage) -> None:
    """Make all streams and consumers."""
    nc = await bus.connect(found.engines.nats_url, "bench@0", wait=10)
    await bus.apply(nc)
    await nc.close()


class Caller:
    """Unary calls over one channel by request message, as the boss; the same client for every server."""

    def __init__(self, port: int, package: str, token: str) -> None:
        self.port = port
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.metadata = (("authorization", f"Bearer {token}"),)
        self._calls: dict[str, Any] = {}
        for service in rpc_services(package):
            for method in service.methods:
                if method.client_streaming or method.server_streaming:
                    continue
                answer = message_factory.GetMessageClass(method.output_type)
                request = message_factory.GetMessageClass(method.input_type)
                self._calls[method.input_type.full_name] = self.channel.unary_unary(
                    f"/{service.full_name}/{method.name}",
                    request_serializer=request.SerializeToString,
                    response_deserializer=answer.FromString,
                )

    async def __call__(self, request: Any) -> Any:
        """Call the rpc of a request."""
        return await self._calls[request.DESCRIPTOR.full_name](request, metadata=self.metadata, timeout=60)


@asynccontextmanager
async def running(child: Child, port: int, ready: str, seconds: float = 60) -> AsyncIterator[None]:
    """A child process from when its health says that it serves, to its end."""
    child.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    stub, until = health_pb2_grpc.HealthStub(channel), time.monotonic() + seconds
    try:
        while True:
            assert child.alive, child.tail()
            assert time.monotonic() < until, f"{child.name} is not ready: {child.tail()}"
            try:
                answer = await stub.Check(health_pb2.HealthCheckRequest(service=ready), timeout=1)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    break
            except grpc.aio.AioRpcError:
                pass
            await asyncio.sleep(0.1)
        yield
    finally:
        await channel.close()
        child.send(15)  # type: ignore[arg-type]
        if not await asyncio.to_thread(child.wait, 20):
            child.send(9)  # type: ignore[arg-type]
        child.close()


def service_child(found: Stage, service: str, port: int, name: str = "", **more: str) -> Child:
    """`python -m services.<service>` with its configuration in the environment, and more settings."""
    urls = found.urls(service)
    settings = {
        "ENVIRONMENT": "test",
        "ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        "JWKS": str(found.issuer.jwks),
        "LISTEN": f"127.0.0.1:{port}",
        "DATABASE_URL": urls.app,
        "RELAY_URL": urls.relay,
        "NATS_URL": found.engines.nats_url,
        "PAGE_TOKEN_KEY": "bench",
        "PRINCIPALS": json.dumps({BOSS: EVERYTHING}),
        **more,
    }
    return child(
        found, name or service, f"services.{service}", {f"PLANTOPS_{key}": value for key, value in settings.items()}
    )


def child(found: Stage, name: str, module: str, settings: dict[str, str]) -> Child:
    """A Python module as a process."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PLANTOPS_")}
    return Child(name, [sys.executable, "-m", module], clean | settings, found.folder / f"{name}.log")


@asynccontextmanager
async def service_process(
    found: Stage, service: str, name: str = "", **more: str
) -> AsyncIterator[tuple[Child, Caller]]:
    """A service as a process, ready, with a client; `more` are settings beside the usual ones."""
    await apply_streams(found)
    port = free_port()
    process = service_child(found, service, port, name, **more)
    async with running(process, port, "ready"):
        caller = Caller(port, f"plantops.{service}.v1", found.token())
        try:
            yield process, caller
        finally:
            await caller.channel.close()
