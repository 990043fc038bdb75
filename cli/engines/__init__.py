"""The engines of a plant: PostgreSQL and NATS, started here, in containers, or given by address.

    with start(Path(".plantops")) as engines:
        engines.postgres_url, engines.nats_url

Given addresses (PLANTOPS_POSTGRES_URL, PLANTOPS_NATS_URL) win; else PLANTOPS_ENGINES says `embedded` (the
default: servers that came as wheels, on free loopback ports) or `containers` (OPS-2).
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cli.engines.ports import PortBusy, free_port
from cli.engines.process import EngineFailed

if TYPE_CHECKING:
    from cli.engines.archive import Archive

__all__ = ["Engine", "EngineFailed", "Engines", "PortBusy", "free_port", "start"]


class Engine(Protocol):
    """A server that was started here."""

    @property
    def alive(self) -> bool: ...

    @property
    def pid(self) -> int: ...

    def revive(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Engines:
    """Addresses: a superuser's database URL, NATS, and NATS's monitoring ("" = unknown)."""

    postgres_url: str
    nats_url: str
    nats_monitor_url: str
    data: tuple[Path, ...] = ()
    servers: tuple[Engine, ...] = ()
    """Servers that were started here and can be revived when they die."""
    archive: "Archive | None" = None
    """The receiver of the database's log, when an archive is wished."""


@contextmanager
def start(
    data: Path, *, postgres_port: int = 0, nats_port: int = 0, durable: bool = True, archive: Path | None = None
) -> Iterator[Engines]:
    """Start the engines on a data folder and stop them cleanly at the end; port 0 = a free one.

    `durable=False` gives up safety against power loss (tests only); a crash of a process loses nothing either
    way. `archive` is a folder that receives the database's log (OPS-48). PortBusy and EngineFailed say what is
    wrong in one sentence.
    """
    postgres_url = os.environ.get("PLANTOPS_POSTGRES_URL", "")
    nats_url = os.environ.get("PLANTOPS_NATS_URL", "")
    monitor_url = os.environ.get("PLANTOPS_NATS_MONITOR_URL", "")
    kind = os.environ.get("PLANTOPS_ENGINES", "embedded")
    if kind not in {"embedded", "containers"}:
        raise EngineFailed(f"PLANTOPS_ENGINES is {kind!r}; it may be 'embedded' or 'containers'")
    folders: list[Path] = []
    servers: list[Engine] = []
    with ExitStack() as stack:
        # ends after the server, which sends it the rest of its log when it stops
        receiver = stack.enter_context(_archive(archive)) if archive is not None else None
        if not postgres_url:
            if kind == "containers":
                from cli.engines.containers import postgres as container_postgres

                postgres_url = stack.enter_context(container_postgres())
            else:
                from cli.engines.postgres import Postgres

                server = stack.enter_context(Postgres(data, port=postgres_port, durable=durable))
                postgres_url = server.url
                folders.append(server.folder)
                servers.append(server)
        if not nats_url:
            if kind == "containers":
                from cli.engines.containers import nats as container_nats

                nats_url, monitor_url = stack.enter_context(container_nats())
            else:
                from cli.engines.nats import Nats

                broker = stack.enter_context(Nats(data, port=nats_port, durable=durable))
                nats_url, monitor_url = broker.url, broker.monitor_url
                folders.append(broker.folder)
                servers.append(broker)
        if receiver is not None:
            receiver.follow(postgres_url)
        yield Engines(postgres_url, nats_url, monitor_url, tuple(folders), tuple(servers), receiver)


def _archive(store: Path) -> "Archive":
    from cli.engines.archive import Archive

    return Archive(store)
