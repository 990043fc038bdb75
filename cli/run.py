"""`plantops run`: engines, databases, streams, services, gateway and sample data on one machine, with one command."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cli import databases, engines, samples
from cli.engines import EngineFailed, Engines, PortBusy
from cli.home import Addresses, Home
from cli.processes import Processes, children, measured, ports
from cli.session import Session
from gateway import issuer
from services.chassis import bus, migrate

WAIT_SECONDS = 60.0
FIRST_PEOPLE = ("people/hanna", "people/oskar")
"""First administrators of the sample plant: two, since a powerful role needs a second person."""


class NotStarted(Exception):
    """The plant did not come up; the text says what and why."""


def say(text: str) -> None:
    """A line of progress."""
    print(text, flush=True)


def run(
    folder: Path,
    *,
    gateway_port: int,
    free_ports: bool,
    load: bool,
    durable: bool = True,
    archive: Path | None = None,
) -> int:
    """Run the plant until Ctrl-C or SIGTERM; 0 when it ended cleanly, 1 when it did not come up."""
    home = Home(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stop = _StopWish()
    begin = time.monotonic()
    try:
        at = ports(gateway_port, free_ports)
        with _engines(folder, durable, archive) as found:
            _prepare(home, found)
            processes = Processes(children(home, found, at, FIRST_PEOPLE))
            try:
                say("processes: maintenance, materials, procurement, gateway")
                processes.start()
                home.save(_addresses(found, at, processes))
                asyncio.run(_ready(Session.of(home), processes, stop))
                if load and not stop.wished:
                    asyncio.run(samples.load(Session.of(home), say))
                if not stop.wished:
                    _welcome(home, time.monotonic() - begin)
                _watch(home, found, at, processes, stop)
            finally:
                say("stopping: gateway, services, engines")
                home.forget()
                processes.stop()
    except (EngineFailed, PortBusy, NotStarted) as error:
        print(f"plantops: {error}", file=sys.stderr)
        return 1
    say("stopped")
    return 0


class _StopWish:
    """Whether Ctrl-C or SIGTERM came; a second one ends at once."""

    def __init__(self) -> None:
        self.wished = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._wish)

    def _wish(self, number: int, frame: object) -> None:
        if self.wished:
            raise KeyboardInterrupt
        self.wished = True


@contextlib.contextmanager
def _engines(folder: Path, durable: bool, archive: Path | None) -> Iterator[Engines]:
    say("engines: starting PostgreSQL and NATS")
    with engines.start(folder, durable=durable, archive=archive) as found:
        for url in (found.postgres_url, found.nats_url):
            say(f"engines: {url.split('://')[0]} at {url.rsplit('@', 1)[-1].split('/')[0]}")
        if found.archive is not None:
            say(f"engines: the database's log is received into {found.archive.folder}")
        yield found


def _prepare(home: Home, found: Engines) -> None:
    hidden = home.secrets()
    databases.bootstrap(found.postgres_url, hidden)
    for service in databases.SERVICES:
        done = migrate.upgrade(service, databases.urls(found.postgres_url, service, hidden).migrator)
        say(f"database: {done}")
    changed = asyncio.run(_streams(found.nats_url))
    say(f"streams: {changed} settings changed" if changed else "streams: as declared")
    issuer.ensure_key(home.issuer_key, home.jwks)


async def _streams(url: str) -> int:
    nc = await bus.connect(url, "plantops-run", wait=20)
    try:
        return len(await bus.apply(nc))
    finally:
        await nc.close()


def _addresses(found: Engines, at: dict[str, int], processes: Processes) -> Addresses:
    pids = {child.name: child.pid for child in processes.children}
    pids |= {type(server).__name__.lower(): server.pid for server in found.servers}
    if found.archive is not None:
        pids["archive"] = found.archive.pid
    return Addresses(
        gateway=f"http://127.0.0.1:{at['gateway']}",
        services={service: f"127.0.0.1:{at[service]}" for service in databases.SERVICES},
        postgres_url=found.postgres_url,
        nats_url=found.nats_url,
        nats_monitor_url=found.nats_monitor_url,
        pids=pids,
        metrics={name: f"http://127.0.0.1:{at[measured(name)]}/metrics" for name in ("gateway", *databases.SERVICES)},
    )


async def _ready(session: Session, processes: Processes, stop: _StopWish) -> None:
    """Wait until the gateway says that it and all services are ready."""
    until = time.monotonic() + WAIT_SECONDS
    why = "no answer"
    while not stop.wished:
        status, content = await session.probe("/readyz")
        if status == 200:
            say("ready: all services answer")
            return
        why = str(content or why)
        for child in processes.children:
            if not child.alive:
                raise NotStarted(f"{child.name} ended at once:\n{child.tail()}")
        if time.monotonic() > until:
            raise NotStarted(f"not ready within {WAIT_SECONDS:g} s: {why}; see {processes.children[0].log.parent}")
        await asyncio.sleep(0.1)


def _welcome(home: Home, seconds: float) -> None:
    at = home.addresses()
    say("")
    say(f"Plantops runs (ready in {seconds:.0f} s)")
    say(f"  gateway      {at.gateway}           OpenAPI {at.gateway}/openapi.json")
    for service, address in at.services.items():
        say(f"  {service:<12} grpc://{address}")
    say(f"  metrics      {' '.join(at.metrics.values())}")
    say(f"  logs         {home.logs}")
    say("  next         in a second terminal: make demo")
    say("  Ctrl-C stops everything")


def _watch(home: Home, found: Engines, at: dict[str, int], processes: Processes, stop: _StopWish) -> None:
    while not stop.wished:
        revived = [child.name for child in processes.watch()]
        for server in found.servers:
            if not server.alive and not stop.wished:
                server.revive()
                revived.append(type(server).__name__.lower())
                if revived[-1] == "nats":  # its folder may be gone: the relays fill what is made anew
                    changed = asyncio.run(_streams(found.nats_url))
                    say(f"streams: {changed} settings changed" if changed else "streams: as declared")
        for name in revived:
            say(f"{name} had died and runs again")
        told = found.archive.watch() if found.archive is not None else ""
        if told:
            say(told)
        if revived or told:
            home.save(_addresses(found, at, processes))
        time.sleep(0.1)
