"""`plantops backup restore-service`: one service's database alone, to an earlier instant (REL-89).

All three databases of a plant on one machine lie in one server, whose log knows no single database. So a second
server is restored to the instant beside the plant, and the one database is carried over from it. Roles and the
other databases stay as they are; the database that was there is kept under another name.
"""

import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from psycopg import sql

from cli import backup, databases
from cli.engines import EngineFailed, account, archive
from cli.engines.postgres import Postgres, programs
from cli.home import Home


def restore(home: Home, store: Path, service: str, at: datetime, *, durable: bool = True) -> str:
    """Replace a service's database of a stopped plant; gives the name under which the old one is kept.

    EngineFailed says in one line what hinders; then the plant is as it was.
    """
    data = account.data_folder(home.folder.resolve() / "postgres", account.account())
    if not data.exists():
        raise EngineFailed(f"{home.folder} has no databases of its own; restore-service needs a plant on this machine")
    kept = f"{service}_before_{datetime.now(UTC):%Y%m%dt%H%M%Sz}"
    with Postgres(home.folder, durable=durable) as plant, tempfile.TemporaryDirectory(dir=data.parent) as name:
        scratch = Path(name)
        scratch.chmod(0o711)
        _same(store, plant.url)
        backup.restore(store, scratch, at=at, durable=False)
        with Postgres(scratch, durable=False) as source:
            _older(source.url, plant.url)
            dump = scratch / f"{service}.dump"
            _run("pg_dump", source.url, "-Fc", "-Z0", "-f", str(dump), service)
        _swap(home, plant.url, service, kept, dump)
        shutil.rmtree(scratch / "postgres", ignore_errors=True)
    return kept


def _same(store: Path, url: str) -> None:
    base, mine = backup.bases(store.resolve())[-1].origin, archive.Origin.of(url)
    if base.system != mine.system:
        raise EngineFailed(f"{store} holds the backups of another plant; its events would not fit to this one's")


def _older(source: str, target: str) -> None:
    """Transactions of the older server have to lie behind the newer one's: the relay reads by their numbers (REL-4)."""
    numbers = []
    for url in (source, target):
        with archive.connected(url) as connection:
            row = connection.execute("select pg_snapshot_xmax(pg_current_snapshot())::text::numeric").fetchone()
        assert row is not None
        numbers.append(int(row[0]))
    if numbers[0] > numbers[1]:
        raise EngineFailed("the backup is newer than this plant; restore the whole plant instead")


def _swap(home: Home, url: str, service: str, kept: str, dump: Path) -> None:
    """Set the old database aside, bring the other one in, and give it back to its service; undone when it fails."""
    with archive.connected(url) as connection:
        _rename(connection, service, kept)
        try:
            _run("pg_restore", url, "--exit-on-error", "--create", "-d", "postgres", str(dump))
        except BaseException:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(service)))
            _rename(connection, kept, service)
            raise
        for login in databases.LOGINS:  # nobody works in the old one by mistake
            connection.execute(
                sql.SQL("revoke connect on database {} from {}").format(
                    sql.Identifier(kept), sql.Identifier(f"{service}_{login}")
                )
            )
    databases.bootstrap(url, home.secrets(), (service,))


def _rename(connection: archive.Connection, name: str, other: str) -> None:
    connection.execute(sql.SQL("alter database {} rename to {}").format(sql.Identifier(name), sql.Identifier(other)))


def _run(program: str, url: str, *words: str) -> None:
    options, environment = archive.client(url)
    command = [str(programs(account.Account(None, None)) / program), *options, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        raise EngineFailed(f"{program} failed: {' | '.join(done.stderr.strip().splitlines()[:3])}")


def told_restore(home: Home, store: Path, service: str, at: datetime) -> int:
    """Replace a service's database and print what comes next."""
    kept = restore(home, store, service, at)
    print(f"{service}: as at {at.isoformat()}; what was there is kept as database {kept}")
    print("the other services know more than it now; next: plantops restore-guide, steps 2 to 6")
    return 0
