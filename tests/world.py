"""A whole plant for tests: three services in this process, on databases cloned from migrated templates.

`plant` is made anew for each test module; `plant.client("materials", "people/sam")` calls a service as a
person, `plant.settle()` waits until no event is on its way any more. Builders such as `plant.site()` and
`plant.item()` make what a test needs through the public API.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from nats.js.errors import NotFoundError
from psycopg import sql

from cli import databases
from cli.engines import Engines
from services.chassis import bus, migrate
from services.chassis.serve import Process, process_of
from tests.plant import PASSWORDS, Client, config_of, superuser
from tests.signing import Issuer

CAST: Mapping[str, Mapping[str, Sequence[str]]] = {
    "people/root": {"-": ["administrator"]},
    "people/paul": {"-": ["planner"]},
    "people/tina": {"-": ["technician"]},
    "people/sam": {"-": ["storekeeper"]},
    "people/mara": {"-": ["stockplanner"]},
    "people/ines": {"-": ["inspector"]},
    "people/ben": {"-": ["buyer"]},
    "people/ada": {"-": ["approver"]},
    "people/vic": {"-": ["auditor"]},
    "people/otto": {"-": ["approver", "buyer"]},
    "people/opal": {"-": ["operations"]},
    "people/eve": {"antwerp": ["planner", "storekeeper", "buyer", "inspector", "technician", "approver"]},
}
"""People of the tests and their roles; they come from the configuration, so that they count at once."""


_running: set[str] = set()
"""Brokers on which a plant of this process runs."""


def site_today() -> date:
    """The calendar day at the sites of the tests, which all keep the time of Berlin; not that of UTC."""
    return datetime.now(ZoneInfo("Europe/Berlin")).date()


@pytest.fixture(scope="session")
def templates(bootstrapped: Engines) -> Engines:
    """Engines whose service databases are migrated; nobody connects to them any more."""
    for service in databases.SERVICES:
        migrate.upgrade(service, databases.urls(bootstrapped.postgres_url, service, PASSWORDS).migrator)
    return bootstrapped


def clone(engines: Engines, service: str, name: str) -> databases.DatabaseUrls:
    """A database like the migrated one of a service, under another name."""
    with psycopg.connect(engines.postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        server.execute(
            sql.SQL("create database {} template {} owner {}").format(
                sql.Identifier(name), sql.Identifier(service), sql.Identifier(f"{service}_owner")
            )
        )
        databases.grant(server, service, name)
    return databases.urls(engines.postgres_url, service, PASSWORDS, name)


@dataclass
class Plant:
    """Running services and what a test needs to talk to them."""

    engines: Engines
    issuer: Issuer
    processes: dict[str, Process]
    database: dict[str, str]
    clients: dict[tuple[str, str], Client] = field(default_factory=dict)
    lasts: dict[tuple[str, ...], tuple[int, int]] = field(default_factory=dict)

    def client(
        self, service: str, person: str = "people/root", roles: Mapping[str, Sequence[str]] | None = None
    ) -> Client:
        """A client of a service that acts as a person with the roles of the cast, or those given."""
        key = (service, person if roles is None else f"{person} {json.dumps(roles, sort_keys=True)}")
        if key not in self.clients:
            ends = int(time.time()) + 3600  # longer than any module
            token = self.issuer.token(person, roles if roles is not None else CAST[person], exp=ends)
            self.clients[key] = Client(self.processes[service], token)
        return self.clients[key]

    async def __call__(self, person: str, request: Any, **more: Any) -> Any:
        """Call the rpc of a request message as a person: `await plant("people/sam", GetItemRequest(...))`."""
        service = request.DESCRIPTOR.file.package.split(".")[1]
        return await self.client(service, person if "/" in person else f"people/{person}")(request, **more)

    def look(self, service: str) -> psycopg.Connection[Any]:
        """A superuser's connection to a service's database; the caller closes it."""
        return superuser(self.engines, self.database[service])

    def rows(self, service: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query on a service's database, seen from outside."""
        with self.look(service) as connection:
            return connection.execute(query, parameters).fetchall()  # type: ignore[arg-type]

    def value(self, service: str, query: str, *parameters: Any) -> Any:
        """First value of a query on a service's database, None without a row."""
        found = self.rows(service, query, *parameters)
        return found[0][0] if found else None

    async def settle(self, seconds: float = 20) -> None:
        """Wait until every event is published and every consumer has acknowledged all it received."""
        until = time.monotonic() + seconds
        quiet = 0
        while quiet < 2:
            assert time.monotonic() < until, f"events are still on their way: {await self.pending()}"
            quiet = quiet + 1 if not await self.pending() else 0
            await asyncio.sleep(0.02)

    async def pending(self) -> dict[str, int]:
        """What is still on its way: unpublished outbox rows, undelivered and unacknowledged messages."""
        found: dict[str, int] = {}
        nc = next(iter(self.processes.values())).nc
        assert nc is not None
        for service, process in self.processes.items():
            open_rows = "select count(*) from outbox where xid >= (select stored from relay_position where shard = 0)"
            unpublished = self.value(service, open_rows)
            if unpublished:
                found[f"{service} outbox"] = unpublished
            for consumer in process.consumers:
                info = await nc.jetstream().consumer_info(consumer.inbox.stream, consumer.durable)
                last = await self._last_for(nc, consumer.inbox.stream, info.config.filter_subjects or [])
                delivered = info.delivered.stream_seq if info.delivered is not None else 0
                if info.num_pending or info.num_ack_pending or delivered < last:
                    found[consumer.durable] = (info.num_pending or 0) + (info.num_ack_pending or 0)
        return found

    async def _last_for(self, nc: Any, stream: str, subjects: Sequence[str]) -> int:
        """Sequence of the last message that a consumer receives; the consumer itself hears of it a moment later."""
        end = (await nc.jetstream().stream_info(stream)).state.last_seq
        key = (stream, *subjects)
        if self.lasts.get(key, (-1, 0))[0] != end:
            last = 0
            for subject in subjects:
                with contextlib.suppress(NotFoundError):
                    last = max(last, (await nc.jetstream().get_last_msg(stream, subject)).seq)
            self.lasts[key] = (end, last)
        return self.lasts[key][1]

    def parked(self) -> list[tuple[Any, ...]]:
        """Dead letters of all services: consumer, aggregate, reason."""
        return [
            row
            for service in self.processes
            for row in self.rows(service, "select consumer, aggregate, reason from dead_letter where state = 'PARKED'")
        ]

    async def eventually(
        self, read: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool], seconds: float = 20
    ) -> Any:
        """Read until it is as wanted; fails with what was read last."""
        until = time.monotonic() + seconds
        while True:
            found = await read()
            if wanted(found):
                return found
            assert time.monotonic() < until, f"not as wanted in {seconds} s: {found}"
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(
    engines: Engines, issuer: Issuer, of_service: Mapping[str, Mapping[str, Any]] | None = None, **given: Any
) -> AsyncIterator[Plant]:
    """A plant on fresh databases and streams; `given` are further settings of all services, `of_service` of one."""
    assert engines.nats_url not in _running, "another plant runs on these engines: both would take each other's events"
    _running.add(engines.nats_url)
    nc = await bus.connect(engines.nats_url, "world@0", wait=10)
    for stream in bus.wanted_streams():
        await nc.request(f"$JS.API.STREAM.DELETE.{stream}", b"", timeout=10)
    await bus.apply(nc)
    await nc.close()
    processes: dict[str, Process] = {}
    names: dict[str, str] = {}
    plant = Plant(engines, issuer, processes, names)
    principals = {person: {site: list(held) for site, held in roles.items()} for person, roles in CAST.items()}
    principals |= {f"services/{service}": {"-": ["auditor"]} for service in databases.SERVICES}
    try:
        names |= {service: f"{service}_test" for service in databases.SERVICES}
        cloned = await asyncio.gather(
            *(asyncio.to_thread(clone, engines, service, name) for service, name in names.items())
        )
        for service, urls in zip(names, cloned, strict=True):
            settings = {"principals": principals, "pool_size": 16, **given}  # many callers at once on a busy machine
            config = config_of(service, engines, urls, issuer, **settings | dict((of_service or {}).get(service, {})))
            processes[service] = process_of(service, config)
            await processes[service].start()

        async def ready() -> list[str]:
            return [f"{name}: {process.why}" for name, process in processes.items() if not process.ready]

        await plant.eventually(ready, lambda waiting: not waiting)
        yield plant
    finally:
        for client in plant.clients.values():
            await client.close()
        await asyncio.gather(*(process.stop() for process in processes.values()))
        _running.discard(engines.nats_url)


@pytest.fixture(scope="module")
async def plant(templates: Engines, issuer: Issuer) -> AsyncIterator[Plant]:
    """A plant for the tests of one module."""
    async with running(templates, issuer) as found:
        yield found
