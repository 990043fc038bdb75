"""One service's database is restored alone: the others and the old one stay, rights and numbers fit (REL-89)."""

import contextlib
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli import backup, backup_service, databases
from cli.engines import EngineFailed
from cli.engines.archive import Archive
from cli.engines.postgres import Postgres
from cli.home import Home

MADE = """
    create table if not exists journal (pos bigint generated always as identity primary key, what text);
    create table if not exists audit (pos bigint generated always as identity primary key, what text);
    create table if not exists outbox (pos bigint generated always as identity primary key,
        xid xid8 not null default pg_current_xact_id(), what text);
    grant select, insert on outbox to {service}_app;
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the server's account can pass."""
    with tempfile.TemporaryDirectory(prefix="plantops-one-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


def tell(url: str, what: str) -> None:
    """An event of each service, one transaction each."""
    for service in databases.SERVICES:
        with psycopg.connect(backup.in_database(url, service), autocommit=True) as connection:
            connection.execute("insert into outbox (what) values (%s)", [what])


def told(url: str, service: str) -> list[str]:
    with psycopg.connect(backup.in_database(url, service), autocommit=True) as connection:
        return [row[0] for row in connection.execute("select what from outbox order by pos").fetchall()]


@pytest.fixture(scope="module")
def plant(folder: Path) -> tuple[Home, Path, datetime]:
    """A stopped plant, its store, and an instant between its first and its last event."""
    home, store = Home(folder / "plant"), folder / "store"
    with Archive(store) as receiver, Postgres(home.folder, durable=False) as server:
        databases.bootstrap(server.url, home.secrets())
        for service in databases.SERVICES:
            with psycopg.connect(backup.in_database(server.url, service), autocommit=True) as connection:
                connection.execute(f"set role {service}_owner")  # type: ignore[call-overload]
                connection.execute(MADE.format(service=service))  # type: ignore[call-overload]
        receiver.follow(server.url)
        tell(server.url, "first")
        backup.create(home, server.url, store)
        tell(server.url, "second")
        with psycopg.connect(server.url, autocommit=True) as connection:
            row: Any = connection.execute("select clock_timestamp()").fetchone()
        tell(server.url, "third")
    return home, store, row[0]


@pytest.mark.rule("REL-89")
def test_one_database_is_as_at_the_instant_and_the_others_are_as_they_were(
    folder: Path, plant: tuple[Home, Path, datetime]
) -> None:
    home, store, at = plant
    kept = backup_service.restore(home, store, "materials", at, durable=False)
    with Postgres(home.folder, durable=False) as server:
        assert told(server.url, "materials") == ["first", "second"]
        assert told(server.url, "maintenance") == told(server.url, "procurement") == ["first", "second", "third"]
        assert told(server.url, kept) == ["first", "second", "third"]
        urls = databases.urls(server.url, "materials", home.secrets())
        with psycopg.connect(urls.app, autocommit=True) as app:
            app.execute("insert into outbox (what) values ('fourth')")
            rows = app.execute("select xid::text::numeric from outbox order by pos").fetchall()
            numbers = [int(row[0]) for row in rows]
            assert numbers == sorted(set(numbers))  # a relay that reads by them misses none
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute("delete from outbox")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(databases.urls(server.url, "materials", home.secrets(), kept).app)
        with contextlib.closing(psycopg.connect(server.url)) as connection:
            locale = "select datlocprovider::text || ' ' || datlocale from pg_database where datname = 'materials'"
            assert connection.execute(locale).fetchone() == ("b C.UTF-8",)
    assert not [path for path in folder.joinpath("plant").iterdir() if path.name.startswith("tmp")]


def test_what_hinders_is_said_and_changes_nothing(
    folder: Path, plant: tuple[Home, Path, datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, store, at = plant
    with Postgres(home.folder, durable=False) as server:
        with pytest.raises(EngineFailed, match="a plant runs already on"):
            backup_service.restore(home, store, "procurement", at, durable=False)
        before = told(server.url, "procurement")
    with pytest.raises(EngineFailed, match="the archive ends before"):
        backup_service.restore(home, store, "procurement", datetime.now(UTC), durable=False)
    with pytest.raises(EngineFailed, match="has no databases of its own"):
        backup_service.restore(Home(folder / "nowhere"), store, "procurement", at, durable=False)
    other = Home(folder / "other")
    with Postgres(other.folder, durable=False):
        pass
    with pytest.raises(EngineFailed, match="the backups of another plant"):
        backup_service.restore(other, store, "procurement", at, durable=False)

    run = backup_service._run

    def fails(program: str, url: str, *words: str) -> None:
        if program == "pg_restore":
            raise EngineFailed("pg_restore failed: disk full")
        run(program, url, *words)

    monkeypatch.setattr(backup_service, "_run", fails)
    with pytest.raises(EngineFailed, match="disk full"):
        backup_service.restore(home, store, "procurement", at, durable=False)
    with Postgres(home.folder, durable=False) as server:
        assert told(server.url, "procurement") == before == ["first", "second", "third"]
        with psycopg.connect(server.url) as connection:
            rows = connection.execute("select datname from pg_database where datname like 'procurement%'").fetchall()
        assert rows == [("procurement",)]
