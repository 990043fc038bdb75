"""A plant with two replicas of every process, which are restarted one after the other, also with another version.

The engines belong to the caller. A version is a folder of source with its compiled contract; its processes get the
settings that its configuration knows.
"""

import asyncio
import json
import os
import re
import signal
import sys
import time
import tomllib
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli import databases
from cli.engines import Engines, free_port, start
from cli.home import SERVICES, Home
from cli.processes import AUDIENCE, ISSUER, Child, children
from gateway import issuer
from services.chassis import bus, migrate
from services.chassis.relay import LOCK
from tests.load.stage import BOSS, EVERYTHING

ROOT = Path(__file__).parents[2]
REPLICAS = 2
DRAIN_DELAY = 1.0
READY_SECONDS = 120.0
STOP_SECONDS = 60.0
NAMES = (*SERVICES, "gateway")


@dataclass(frozen=True, slots=True)
class Version:
    """Source of processes: the program and what Python finds first."""

    name: str
    folder: Path = ROOT
    python: str = sys.executable
    path: tuple[str, ...] = ()

    @property
    def settings(self) -> frozenset[str]:
        """Names of the settings that its configuration knows."""
        text = (self.folder / "services" / "chassis" / "config.py").read_text()
        return frozenset(name.upper() for name in re.findall(r"^    (\w+): ", text, re.MULTILINE))


PRESENT = Version("present")


@dataclass
class Fleet:
    """All replicas; `roll` restarts one."""

    home: Home
    engines: Engines
    replicas: dict[tuple[str, int], Child] = field(default_factory=dict)
    ports: dict[tuple[str, int], int] = field(default_factory=dict)
    drains: list[float] = field(default_factory=list)
    """Seconds from SIGTERM to the end of each process that was stopped."""

    @property
    def doors(self) -> list[str]:
        """Base addresses of the gateways."""
        return [f"http://127.0.0.1:{self.ports['gateway', number]}" for number in range(REPLICAS)]

    def token(self) -> str:
        """A token of somebody who may do everything."""
        signer = issuer.Issuer(issuer.read_key(self.home.issuer_key), ISSUER, AUDIENCE)
        return signer.token(BOSS, EVERYTHING, lifetime=3600)

    def superuser(self, database: str) -> str:
        """A superuser's address of a database."""
        return self.engines.postgres_url.rsplit("/", 1)[0] + f"/{database}"

    def child(self, name: str, number: int, version: Version) -> Child:
        """A replica, not started."""
        at = {other: self.ports[other, number] for other in NAMES}
        found = next(one for one in children(self.home, self.engines, at, ()) if one.name == name)
        prefix = f"PLANTOPS_{name.upper()}_"
        principals = {BOSS: EVERYTHING} | {f"services/{other}": {"-": ["auditor"]} for other in NAMES}
        settings = {key.removeprefix(prefix): value for key, value in found.environment.items() if prefix in key}
        settings |= {"DRAIN_DELAY": str(DRAIN_DELAY), "PRINCIPALS": json.dumps(principals)}
        if name == "gateway":
            settings |= {"LINGER": "3"} | {other.upper(): self.targets(other) for other in SERVICES}
        environment = {key: value for key, value in found.environment.items() if prefix not in key}
        environment |= {prefix + key: value for key, value in settings.items() if key in version.settings}
        if version.path:
            environment |= {"PYTHONPATH": os.pathsep.join(version.path), "PYTHONSAFEPATH": "1"}  # not the folder here
        command = [version.python, *found.command[1:]]
        return Child(f"{name}-{number}", command, environment, self.home.logs / f"{name}-{number}.log")

    def targets(self, service: str) -> str:
        """The replicas of a service as the gateway is told them."""
        return "ipv4:" + ",".join(f"127.0.0.1:{self.ports[service, number]}" for number in range(REPLICAS))

    async def roll(self, name: str, number: int, version: Version = PRESENT) -> None:
        """Stop a replica by SIGTERM, start it, wait until it is ready."""
        await self.stop(name, number)
        fresh = self.child(name, number, version)
        self.replicas[name, number] = fresh
        fresh.start()
        await self.ready(name, number)

    async def leader(self, service: str) -> int:
        """Which replica leads the relay of a service; awaits one that has just taken over."""
        numbers = {child.pid: number for (name, number), child in self.replicas.items() if name == service}
        until = time.monotonic() + READY_SECONDS
        while True:
            found = await _rows(self.superuser(service), "select pod from relay_lease where shard = 0")
            process = int(found[0]["pod"].rpartition(":")[2]) if found else 0
            if process in numbers:
                return numbers[process]
            assert time.monotonic() < until, f"no replica of {service} leads"
            await asyncio.sleep(0.1)

    async def stop(self, name: str, number: int) -> None:
        """Stop a replica by SIGTERM; it has to end by itself and well."""
        old = self.replicas[name, number]
        begin = time.monotonic()
        old.send(signal.SIGTERM)
        assert await asyncio.to_thread(old.wait, STOP_SECONDS), f"{old.name} does not end"
        self.drains.append(time.monotonic() - begin)
        assert old.process is not None
        assert old.process.returncode == 0, f"{old.name} ended with {old.process.returncode}: {old.tail()}"
        old.close()

    async def ready(self, name: str, number: int) -> None:
        """Wait until a replica says that it is ready."""
        one, until = self.replicas[name, number], time.monotonic() + READY_SECONDS
        port = self.ports[name, number]
        while not await (_door_ready(self.doors[number]) if name == "gateway" else _serves(port)):
            assert one.alive, f"{one.name} ended: {one.tail()}"
            assert time.monotonic() < until, f"{one.name} is not ready: {one.tail()}"
            await asyncio.sleep(0.1)

    def end(self) -> None:
        """End what still runs."""
        for one in self.replicas.values():
            one.send(signal.SIGTERM)
        for one in self.replicas.values():
            if not one.wait(STOP_SECONDS):
                one.send(signal.SIGKILL)
                one.wait(5)
            one.close()


@contextmanager
def grounds(folder: Path, *, durable: bool = True) -> Iterator[tuple[Home, Engines]]:
    """Engines with empty databases of the newest schema, streams, and an issuer of tokens, under a folder."""
    home = Home(folder)
    with start(folder, durable=durable) as engines:
        hidden = home.secrets()
        databases.bootstrap(engines.postgres_url, hidden)
        for service in SERVICES:
            migrate.upgrade(service, databases.urls(engines.postgres_url, service, hidden).migrator)
        asyncio.run(apply_streams(engines.nats_url))
        issuer.ensure_key(home.issuer_key, home.jwks)
        yield home, engines


async def apply_streams(url: str) -> None:
    """Make all streams and consumers as declared."""
    nc = await bus.connect(url, "fleet@0", wait=20)
    await bus.apply(nc)
    await nc.close()


@asynccontextmanager
async def fleet(home: Home, engines: Engines, version: Version = PRESENT) -> AsyncIterator[Fleet]:
    """All replicas of a version, ready."""
    found = Fleet(home, engines)
    for number in range(REPLICAS):
        found.ports |= {(name, number): free_port() for name in NAMES}
    try:
        for key in found.ports:
            found.replicas[key] = found.child(*key, version)
            found.replicas[key].start()
        for key in found.ports:
            await found.ready(*key)
        yield found
    finally:
        await asyncio.to_thread(found.end)


async def _serves(port: int) -> bool:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            request = health_pb2.HealthCheckRequest(service="ready")
            answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def _door_ready(door: str) -> bool:
    def look() -> bool:
        try:
            with urllib.request.urlopen(f"{door}/readyz", timeout=3) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    return await asyncio.to_thread(look)


@dataclass
class HandOvers:
    """Watches the relays' locks: how long each service had no leader when one was replaced."""

    gaps: list[float] = field(default_factory=list)
    _held: dict[str, tuple[int, float]] = field(default_factory=dict)

    @asynccontextmanager
    async def watched(self, url: str) -> AsyncIterator["HandOvers"]:
        """Watch as long as the block lasts."""
        connection = await asyncpg.connect(url)
        watching = asyncio.ensure_future(self._watch(connection))
        try:
            yield self
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await connection.close()

    async def _watch(self, connection: Any) -> None:
        query = (
            "select d.datname, l.pid from pg_locks l join pg_database d on d.oid = l.database "
            "where l.locktype = 'advisory' and l.classid = $1 and l.granted"
        )
        while True:
            for database, pid in await connection.fetch(query, LOCK):
                now = time.monotonic()
                before = self._held.get(database)
                if before is not None and before[0] != pid:
                    self.gaps.append(now - before[1])
                self._held[database] = (pid, now)
            await asyncio.sleep(0.01)


def followed(version: Version = PRESENT) -> Iterator[tuple[str, str, list[str]]]:
    """Consuming service, owner, and the events that a version follows, as it declares."""
    declared = tomllib.loads((version.folder / "services" / "streams.toml").read_text())["consumers"]
    for service, sources in declared.items():
        for source, lists in sources.items():
            yield service, source, [event for events in lists_of(lists) for event in events]


def lists_of(declared: Sequence[Any]) -> list[list[str]]:
    """The lists of events of one pair of services; the first release had one, not within another."""
    return [list(declared)] if isinstance(declared[0], str) else [list(one) for one in declared]


async def lost(found: Fleet, version: Version = PRESENT, seconds: float = 90) -> tuple[int, list[str]]:
    """Events told by one service and followed by another: how many, and those without effect when all is quiet."""
    until = time.monotonic() + seconds
    while True:
        told, missing = await _compared(found, version)
        if not missing or time.monotonic() > until:
            return told, missing
        await asyncio.sleep(0.5)


async def _compared(found: Fleet, version: Version) -> tuple[int, list[str]]:
    told, missing = 0, []
    for service, source, events in followed(version):
        outbox = await _rows(
            found.superuser(source),
            "select event_id::text, subject from outbox where split_part(subject, '.', 4) = any($1)",
            events,
        )
        inbox = await _rows(
            found.superuser(service),
            "select event_id::text from inbox where consumer = $1 and not exists "
            "(select 1 from waiting_event w where w.event_id = inbox.event_id)",
            bus.consumer_of(service, source),
        )
        applied = {row[0] for row in inbox}
        told += len(outbox)
        missing += [f"{service} lacks {row[1]}" for row in outbox if row[0] not in applied]
        parked = await _rows(found.superuser(service), "select subject from dead_letter where state = 'PARKED'")
        missing += [f"{service} has put aside {row[0]}" for row in parked]
    return told, missing


async def _rows(url: str, query: str, *values: Any) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        rows: list[Any] = await connection.fetch(query, *values)
        return rows
    finally:
        await connection.close()
