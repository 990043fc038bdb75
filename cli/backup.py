"""`plantops backup`: base backups and the archive of a plant's databases, and a new plant from them (OPS-47, OPS-48).

A store is a folder that belongs to one plant:

    store.json          which server it is of
    wal/                the log, received while `plantops run --archive` or `plantops backup archive` runs
    base/<instant>/     one base backup: data/ with its manifest, secrets/ to open it, backup.json about it

Streams are never in it: they are made anew and filled from the outboxes.
"""

import json
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cli.engines import EngineFailed, account, archive, backup
from cli.engines.backup import BackupInvalid
from cli.home import SERVICES, Home, write_private

SECRETS = ("secrets.json", "issuer.pem", "jwks.json")
"""Files of a plant's folder without which its databases cannot be opened, nor its tokens be checked."""
PASSWORD = "postgres.password"
RESTORED = "restored.json"
"""In a plant's folder: from which base backup it was restored, and what that held."""


@dataclass(frozen=True, slots=True)
class Base:
    """One base backup of a store, as its backup.json tells."""

    folder: Path
    begun: datetime
    completed: datetime
    """Database clock when the copy was whole: the earliest instant that can be restored from it."""
    origin: archive.Origin
    size: int
    rows: Mapping[str, Mapping[str, int]]
    """Service -> rows of its append-only tables when the copy began."""
    said: str

    @property
    def data(self) -> Path:
        """The copy of the server."""
        return self.folder / "data"

    @property
    def secrets(self) -> Path:
        """What is needed to open it."""
        return self.folder / "secrets"

    @classmethod
    def read(cls, folder: Path) -> "Base":
        """Read a base backup's description; BackupInvalid when it cannot be read."""
        try:
            content: dict[str, Any] = json.loads((folder / "backup.json").read_text())
            return cls(
                folder=folder,
                begun=datetime.fromisoformat(content["begun"]),
                completed=datetime.fromisoformat(content["completed"]),
                origin=archive.Origin(**content["origin"]),
                size=int(content["size"]),
                rows=content["rows"],
                said=str(content["said"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            raise BackupInvalid(f"{folder / 'backup.json'} cannot be read") from None


def bases(store: Path) -> list[Base]:
    """The base backups of a store, the oldest first; BackupInvalid when there is none."""
    found = sorted(path.parent for path in store.glob("base/*/backup.json"))
    if not found:
        raise BackupInvalid(f"there is no backup in {store}")
    return [Base.read(folder) for folder in found]


def choose(store: Path, at: datetime | None) -> Base:
    """The newest base backup, or the newest that was whole at an instant; BackupInvalid when there is none."""
    known = bases(store)
    if at is None:
        return known[-1]
    if at.tzinfo is None:
        raise BackupInvalid("the instant needs an offset, such as 2026-05-04T12:00:00Z")
    fit = [base for base in known if base.completed <= at]
    if not fit:
        raise BackupInvalid(f"the earliest instant that {store} can restore is {known[0].completed.isoformat()}")
    return fit[-1]


def create(home: Home, url: str, store: Path) -> Base:
    """Take a base backup of a running server into a store, and prove it; nothing is left when it fails."""
    store = store.resolve()
    origin = archive.Origin.of(url)
    archive.claim(store, origin)
    begun, rows = _clock(url), rows_of(url)
    folder = store / "base" / begun.strftime("%Y%m%dT%H%M%SZ")
    fresh = folder.with_name(f".{folder.name}")
    if folder.exists() or fresh.exists():
        raise EngineFailed(f"{folder} exists already; a backup overwrites nothing")
    fresh.mkdir(mode=0o700, parents=True)
    try:
        backup.base_backup(url, fresh / "data")
        said = backup.verify(fresh / "data")
        _keep_secrets(home, url, fresh / "secrets")
        size = sum(path.stat().st_size for path in (fresh / "data").rglob("*") if path.is_file())
        base = Base(folder, begun, _clock(url), origin, size, rows, said)
        content = {
            "begun": base.begun.isoformat(), "completed": base.completed.isoformat(), "origin": asdict(origin),
            "size": size, "rows": rows, "said": said,
        }  # fmt: skip
        (fresh / "backup.json").write_text(json.dumps(content, indent=2))
        fresh.rename(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return base


def restore(
    store: Path, plant: Path, *, at: datetime | None = None, lsn: str = "", durable: bool = True
) -> tuple[Base, backup.Restored]:
    """Make a new plant's folder from a store: databases at an instant or at the archive's end, and its secrets."""
    store, plant = store.resolve(), plant.resolve()
    base = choose(store, at)
    for name in SECRETS:
        if (plant / name).exists():
            raise EngineFailed(f"{plant / name} exists already; restore into a new folder, nothing was changed")
    word = base.secrets / PASSWORD
    if not word.is_file():
        raise BackupInvalid(f"{word} is missing; without it nobody can open the databases")
    reached = backup.restore(
        base.data, store / "wal", plant, at=at, lsn=lsn, durable=durable, password=word.read_text()
    )
    plant.mkdir(parents=True, exist_ok=True)
    for name in SECRETS:
        if (base.secrets / name).exists():
            write_private(plant / name, (base.secrets / name).read_text())
    note = {"base": base.folder.name, "rows": base.rows, "restored": datetime.now(UTC).isoformat()}
    write_private(plant / RESTORED, json.dumps(note, indent=2))
    return base, reached


def prune(store: Path, keep: int) -> tuple[list[str], int]:
    """Remove all but the newest base backups, and segments that none of those needs; gives what was removed."""
    known = bases(store)
    if keep < 1:
        raise EngineFailed("at least one base backup has to be kept")
    for base in known[:-keep]:
        gone = base.folder.with_name(f".{base.folder.name}")
        base.folder.rename(gone)  # half a backup is never found
        shutil.rmtree(gone)
    first, _ = backup.first_segment(known[-keep:][0].data)
    old = [path for name, path in archive.segments(store / "wal").items() if name < first]
    for path in old:
        path.unlink()
    return [base.folder.name for base in known[:-keep]], len(old)


def _keep_secrets(home: Home, url: str, folder: Path) -> None:
    folder.mkdir(mode=0o700)
    for name in SECRETS:
        if (home.folder / name).exists():
            write_private(folder / name, (home.folder / name).read_text())
    write_private(folder / PASSWORD, unquote(urlsplit(url).password or ""))


def _clock(url: str) -> datetime:
    with archive.connected(url) as connection:
        row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    found: datetime = row[0].astimezone(UTC)
    return found


def rows_of(url: str) -> dict[str, dict[str, int]]:
    """Rows of the tables that only grow."""
    found: dict[str, dict[str, int]] = {}
    for service in SERVICES:
        with archive.connected(in_database(url, service)) as connection:
            found[service] = {}
            for table in ("journal", "audit"):
                row = connection.execute(f"select count(*) from {table}").fetchone()  # type: ignore[call-overload]  # noqa: S608
                assert row is not None
                found[service][table] = int(row[0])
    return found


def in_database(url: str, name: str) -> str:
    """The same server's address of another database."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


# --- the commands -----------------------------------------------------------------------------------------------


def told_create(home: Home, url: str, store: Path) -> int:
    """Take a base backup and print what it is."""
    began = time.monotonic()
    base = create(home, url, store)
    print(f"base backup: {base.folder}")
    print(f"  {megabytes(base.size)} in {time.monotonic() - began:.1f} s, {base.said}")
    print(f"  restores every instant from {base.completed.isoformat()} on, as far as the archive reaches")
    print(f"  secrets: {base.secrets} (only you may read them)")
    return 0


def told_list(store: Path) -> int:
    """Print the base backups of a store and how far its archive reaches."""
    for base in bases(store.resolve()):
        print(f"{base.folder.name}  {megabytes(base.size)}, whole at {base.completed.isoformat()}")
    names = list(archive.segments(store / "wal"))
    print(f"archive: {len(names)} segments, {names[0]} to {names[-1]}" if names else "archive: none")
    return 0


def told_prune(store: Path, keep: int) -> int:
    """Remove old base backups and print what was removed."""
    removed, segments = prune(store.resolve(), keep)
    for name in removed:
        print(f"removed: base backup {name}")
    print(f"removed: {segments} segments that no base backup needs")
    print(f"earliest instant that can be restored: {bases(store)[0].completed.isoformat()}")
    return 0


def told_restore(store: Path, plant: Path, at: datetime | None) -> int:
    """Restore into a new folder and print what was reached and what comes next."""
    began = time.monotonic()
    base, reached = restore(store, plant, at=at)
    print(f"base backup: {base.folder.name}, {base.said}")
    last = reached.last_commit.isoformat() if reached.last_commit is not None else "none behind the backup"
    print(f"replayed: {reached.segments} segments of the archive, last commit {last}")
    print(f"timeline {reached.timeline}, in {time.monotonic() - began:.1f} s: {plant}")
    data = account.data_folder(plant.resolve() / "postgres", account.account())
    if data.parent != plant.resolve():
        print(f"databases: {data}")
    print("next: plantops restore-guide")
    return 0


def told_archive(url: str, store: Path) -> int:
    """Receive a server's log until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with archive.Archive(store) as receiver:
        receiver.follow(url)
        print(f"archive: {receiver.folder} receives the database's log; Ctrl-C ends it", flush=True)
        try:
            while True:
                told = receiver.watch()
                if told:
                    print(told, flush=True)
                time.sleep(0.5)
        except KeyboardInterrupt:
            print("archive: ended; what is written from now on waits at the server")
    return 0


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1_000_000:.1f} MB"
