"""Engines that many runs of tests share, one after another; each run finds databases nobody has written to.

To migrate three databases takes longer than most tests that notice a bug. It is done once; what is migrated is kept
aside and every run gets copies of it under the usual names, which its own fixtures take for the migrated ones.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from cli import databases
from cli.engines import Engines, start
from services.chassis import bus, migrate
from tests import memory
from tests.plant import PASSWORDS

NAMES = (*databases.SERVICES, "sample")
SERVERS_OWN = ("postgres", "template0", "template1")


@dataclass(frozen=True, slots=True)
class Ground:
    """Engines with the migrated databases of all services, kept aside."""

    engines: Engines

    def clear(self) -> None:
        """Databases as they were migrated, no others, and a broker without streams."""
        kept = [*SERVERS_OWN, *map(_kept, NAMES)]
        with psycopg.connect(self.engines.postgres_url, autocommit=True) as server:
            others = server.execute("select datname from pg_database where not datname = any(%s)", [kept]).fetchall()
            for (name,) in others:
                server.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
            for name in NAMES:
                _copy(server, _kept(name), name)
        loop = asyncio.new_event_loop()  # not `asyncio.run`, which takes the loop of the tests from them
        try:
            loop.run_until_complete(_without_streams(self.engines.nats_url))
        finally:
            loop.close()


def _kept(name: str) -> str:
    return f"{name}_as_migrated"


def _copy(server: psycopg.Connection, source: str, name: str) -> None:
    server.execute(
        sql.SQL("create database {} template {} strategy file_copy owner {}").format(
            sql.Identifier(name), sql.Identifier(source), sql.Identifier(f"{name}_owner")
        )
    )
    databases.grant(server, name, name)


async def _without_streams(url: str) -> None:
    nc = await bus.connect(url, "planted@0", wait=10)
    try:
        for info in await nc.jetstream().streams_info():
            assert info.config.name is not None
            await nc.jetstream().delete_stream(info.config.name)
    finally:
        await nc.close()


@contextmanager
def ground() -> Iterator[Ground]:
    """Start engines and migrate what is kept aside; nothing of it survives the end."""
    with tempfile.TemporaryDirectory(
        prefix="plantops-ground-", dir=memory.place(), ignore_cleanup_errors=True
    ) as folder:
        Path(folder).chmod(0o711)  # the servers' account passes through
        with start(Path(folder), durable=False) as engines:
            databases.bootstrap(engines.postgres_url, PASSWORDS, NAMES)
            for service in databases.SERVICES:
                migrate.upgrade(service, databases.urls(engines.postgres_url, service, PASSWORDS).migrator)
            with psycopg.connect(engines.postgres_url, autocommit=True) as server:
                for name in NAMES:
                    server.execute(
                        sql.SQL("alter database {} rename to {}").format(
                            sql.Identifier(name), sql.Identifier(_kept(name))
                        )
                    )
            yield Ground(engines)
