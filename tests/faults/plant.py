"""A plant to be hurt: engines that the harness owns, processes behind proxies, a supervisor that revives them."""

import asyncio
import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc
from nats.aio.client import Client
from psycopg import sql

from cli import databases
from cli.engines.nats import Nats
from cli.engines.ports import free_port
from cli.engines.postgres import Postgres
from services.chassis import bus, migrate
from tests.faults.child import MODULES, shortened
from tests.faults.processes import Spawner, Supervisor, Worker
from tests.faults.proxy import Edge
from tests.signing import AUDIENCE, ISSUER, Issuer

SERVICES = databases.SERVICES
PASSWORDS = {f"{service}_{login}": f"{service}-{login}" for service in SERVICES for login in databases.LOGINS}
TIMERS: Mapping[str, float] = {"ack_wait": 5.0, "beat": 1.0, "beat_limit": 4.0}
"""Shorter than in production (30, 5 and 20 s), so that a paused process is overtaken within a run."""
READY_SECONDS = 120.0

CAST: Mapping[str, Sequence[str]] = {
    "people/root": ["administrator"], "people/paul": ["planner"], "people/tina": ["technician"],
    "people/sam": ["storekeeper"], "people/stella": ["storekeeper", "approver"], "people/mara": ["stockplanner"],
    "people/ines": ["inspector"], "people/ben": ["buyer"], "people/otto": ["buyer", "approver"],
    "people/ada": ["approver"], "people/vic": ["auditor"], "people/opal": ["operations"],
}  # fmt: skip
"""People of the runs; the configuration knows them, so that they count at once."""


@dataclass
class Ground:
    """What all runs of one start stand on: both engines, migrated databases to clone from, the spawner."""

    folder: Path
    postgres: Postgres
    nats: Nats
    issuer: Issuer
    spawner: Spawner
    disks: Mapping[str, Path] = field(default_factory=dict)
    """Small disks that the engines lie on, by engine."""
    plants: int = 0

    def superuser(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A superuser's connection past all proxies."""
        return psycopg.connect(self.postgres.url.rsplit("/", 1)[0] + f"/{database}", autocommit=True)


DISKS: Mapping[str, str] = {"postgres": "2g", "nats": "256m"}
"""Sizes of the small disks that the engines lie on, where they can be made."""


@asynccontextmanager
async def ground(*, small_disks: bool = False) -> AsyncIterator[Ground]:
    """Start the engines and the spawner, and migrate the databases that plants are cloned from."""
    async with AsyncExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="plantops-faults-", ignore_cleanup_errors=True))
        )
        folder.chmod(0o711)  # the servers' account passes through
        spawning = asyncio.create_task(stack.enter_async_context(Spawner()))
        disks = {name: folder / f"disk-{name}" for name in DISKS}
        mounted = [name for name in DISKS if small_disks and stack.enter_context(_disk(disks[name], DISKS[name]))]
        for disk in disks.values():
            disk.mkdir(exist_ok=True)
        postgres = stack.enter_context(Postgres(disks["postgres"], durable=False))
        nats = stack.enter_context(Nats(disks["nats"], durable=False))
        await asyncio.to_thread(_migrate, postgres.url)
        yield Ground(folder, postgres, nats, Issuer(folder), await spawning, {name: disks[name] for name in mounted})


@contextlib.contextmanager
def _disk(place: Path, size: str) -> Iterator[bool]:
    """A small disk in memory; says whether there is one: it takes root and the right to mount."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(place)]
    made = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield made
    finally:
        if made:
            subprocess.run(["umount", "-l", str(place)], check=False)


def _migrate(url: str) -> None:
    databases.bootstrap(url, PASSWORDS)
    for service in SERVICES:
        migrate.upgrade(service, databases.urls(url, service, PASSWORDS).migrator)


@dataclass
class Plant:
    """Running processes, the edges between them, and the databases to look at."""

    ground: Ground
    supervisor: Supervisor
    database: Mapping[str, str]
    edges: Mapping[str, Edge]
    addresses: Mapping[str, str]
    """host:port of each process, past all proxies."""
    replicas: Sequence[str]
    nc: Client
    poison: set[str] = field(default_factory=set)
    """Ids of events that can never be applied, which the harness published."""
    poisoned: int = 0
    """Dead letters that they must lead to."""

    def rows(self, service: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query on a service's database, as superuser and past the proxies."""
        with self.ground.superuser(self.database[service]) as connection:
            return connection.execute(query, parameters or None).fetchall()  # type: ignore[arg-type]

    def value(self, service: str, query: str, *parameters: Any) -> Any:
        """First value of a query, None without a row."""
        found = self.rows(service, query, *parameters)
        return found[0][0] if found else None

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until every process is ready; says which is not."""
        waiting = [*self.replicas, "gateway"]
        until = asyncio.get_running_loop().time() + seconds
        while waiting:
            if asyncio.get_running_loop().time() > until:
                name = waiting[0]
                raise AssertionError(f"{', '.join(waiting)} not ready in {seconds:g} s: {self.supervisor[name].tail()}")
            waiting = [name for name in waiting if not await self.is_ready(name)]
            await asyncio.sleep(0.05)

    async def is_ready(self, name: str) -> bool:
        """Whether a process says that it is ready (a gateway: that it listens)."""
        host, _, port = self.addresses[name].rpartition(":")
        if name == "gateway":
            with contextlib.suppress(OSError, TimeoutError):
                _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 1)
                writer.close()
                return True
            return False
        async with grpc.aio.insecure_channel(self.addresses[name]) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            with contextlib.suppress(grpc.aio.AioRpcError):
                answer = await stub.Check(health_pb2.HealthCheckRequest(service="ready"), timeout=1)
                return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
        return False

    async def apply_streams(self) -> int:
        """Streams and consumers as declared, as the admin job makes them; how many settings differed."""
        return len(await bus.apply(self.nc))


def crowd() -> float:
    """How many times slower this machine is than one of our own, going by how many others want its cores."""
    return min(5.0, max(1.0, os.getloadavg()[0] / (3 * (os.cpu_count() or 1))))


@asynccontextmanager
async def plant(
    base: Ground,
    *,
    bugs: Sequence[str] = (),
    bug_sql: Mapping[str, Sequence[str]] | None = None,
    only: Sequence[str] = SERVICES,
    replicas: Mapping[str, int] | None = None,
    timers: Mapping[str, float] | None = TIMERS,
    faults: Mapping[str, str] | None = None,
) -> AsyncIterator[Plant]:
    """A plant on fresh databases and streams; `bugs` are planted in every process, `bug_sql` in the databases."""
    base.plants += 1
    number = base.plants
    names = {service: f"{service}_{number}" for service in SERVICES}
    async with AsyncExitStack() as stack:
        if timers is not None:
            stack.enter_context(shortened(timers))  # what is declared here is what the processes expect
        nc = await bus.connect(base.nats.url, f"faults@{number}", wait=20)
        stack.push_async_callback(_closed, nc)
        for stream in bus.wanted_streams():
            await nc.request(f"$JS.API.STREAM.DELETE.{stream}", b"", timeout=10)
        await bus.apply(nc)
        urls = await asyncio.to_thread(_clone, base, names, bug_sql or {})
        edges: dict[str, Edge] = {}
        postgres = ("127.0.0.1", base.postgres.port)
        for service in only:
            for edge in (
                Edge(f"{service}-database", postgres, postgres=True),
                Edge(f"{service}-nats", ("127.0.0.1", base.nats.port)),
                Edge(f"gateway-{service}", ("127.0.0.1", free_port())),
            ):
                edges[edge.name] = await stack.enter_async_context(edge)
        workers: list[Worker] = []
        addresses: dict[str, str] = {}
        logs = base.folder / f"logs-{number}"
        logs.mkdir()
        for service in only:
            for replica in range(1, (replicas or {}).get(service, 1) + 1):
                name = service if replica == 1 else f"{service}-{replica}"
                port = edges[f"gateway-{service}"].target[1] if replica == 1 else free_port()
                addresses[name] = f"127.0.0.1:{port}"
                settings = _service_settings(base, service, urls[service], edges, addresses[name])
                module = f"services.{service}"
                workers.append(Worker(name, module, settings, logs / f"{name}.log", base.spawner, timers, bugs))
        addresses["gateway"] = f"127.0.0.1:{free_port()}"
        settings = _gateway_settings(base, edges, addresses["gateway"])
        workers.append(Worker("gateway", MODULES[3], settings, logs / "gateway.log", base.spawner, timers, bugs))
        for worker in workers:
            worker.fault = (faults or {}).get(worker.name, "")
        supervisor = await stack.enter_async_context(Supervisor(workers))
        stack.callback(_heal, edges.values())
        members = [worker.name for worker in workers if worker.name != "gateway"]
        made = Plant(base, supervisor, names, edges, addresses, members, nc)
        await made.ready()
        yield made
    await asyncio.to_thread(_drop, base, names)


def _drop(base: Ground, names: Mapping[str, str]) -> None:
    with base.superuser() as server:
        for name in names.values():
            server.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _heal(edges: Any) -> None:
    for edge in edges:
        edge.heal()


async def _closed(nc: Client) -> None:
    with contextlib.suppress(Exception):
        await asyncio.wait_for(nc.close(), 5)


def _clone(base: Ground, names: Mapping[str, str], bug_sql: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    with base.superuser() as server:
        for service, name in names.items():
            server.execute(
                sql.SQL("create database {} template {} owner {}").format(
                    sql.Identifier(name), sql.Identifier(service), sql.Identifier(f"{service}_owner")
                )
            )
            databases.grant(server, service, name)
    for service, statements in bug_sql.items():
        with base.superuser(names[service]) as database:
            database.execute(f"set role {service}_owner".encode())
            for statement in statements:
                database.execute(statement.encode())
    return {service: databases.urls(base.postgres.url, service, PASSWORDS, name) for service, name in names.items()}


def _common(base: Ground) -> dict[str, str]:
    principals = {person: {"-": list(roles)} for person, roles in CAST.items()}
    principals |= {f"services/{name}": {"-": ["auditor"]} for name in (*SERVICES, "gateway")}
    return {
        "ENVIRONMENT": "test", "ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS": str(base.issuer.jwks),
        "ADMINISTRATORS": json.dumps(["people/root"]), "PRINCIPALS": json.dumps(principals), "LOG_LEVEL": "info",
    }  # fmt: skip


def _service_settings(base: Ground, service: str, urls: Any, edges: Mapping[str, Edge], listen: str) -> dict[str, str]:
    database, broker = edges[f"{service}-database"], edges[f"{service}-nats"]
    return _named(
        service,
        _common(base)
        | {
            "LISTEN": listen,
            "DATABASE_URL": _through(urls.app, database),
            "RELAY_URL": _through(urls.relay, database),
            "NATS_URL": _through(base.nats.url, broker),
            "PAGE_TOKEN_KEY": "faults",
        },
    )


def _gateway_settings(base: Ground, edges: Mapping[str, Edge], listen: str) -> dict[str, str]:
    behind = {name.partition("-")[2]: edge for name, edge in edges.items() if name.startswith("gateway-")}
    services = {service.upper(): f"127.0.0.1:{edge.port}" for service, edge in behind.items()}
    return _named("gateway", _common(base) | {"LISTEN": listen, **services})


def _named(process: str, settings: Mapping[str, str]) -> dict[str, str]:
    return {f"PLANTOPS_{process.upper()}_{key}": value for key, value in settings.items()}


def _through(url: str, edge: Edge) -> str:
    place = urlsplit(url)
    user = place.netloc.rpartition("@")[0]
    return place._replace(netloc=f"{user}@127.0.0.1:{edge.port}").geturl()
