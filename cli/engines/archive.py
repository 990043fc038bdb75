"""An archive of a server's write-ahead log, received as it is written (OPS-48).

`pg_receivewal` follows the server over the network, through a replication slot: what it has not received yet
stays at the server. So the folder belongs to whoever runs the receiver and may lie on another machine, and the
server needs no command of ours. The last segment is a `.partial` file that grows with every commit.
"""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import psycopg

from cli.engines.account import Account
from cli.engines.postgres import programs
from cli.engines.process import EngineFailed, Server, held

SLOT = "plantops_archive"
PAUSE = 5.0
"""Seconds before a receiver that died is started again."""
Connection = psycopg.Connection[tuple[Any, ...]]
_SEGMENT = 24
"""Length of a segment's name: timeline, log and segment, eight hexadecimal digits each."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which server a backup or an archive is of. A restored server keeps the identifier and begins a timeline."""

    system: str
    timeline: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """The origin of a running server; EngineFailed when it does not answer."""
        with connected(url) as connection:
            row = connection.execute(
                "select system_identifier::text, pg_walfile_name(pg_current_wal_lsn()) from pg_control_system()"
            ).fetchone()
        assert row is not None
        return cls(str(row[0]), int(row[1][:8], 16))


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection to a server; EngineFailed says in one line why there is none."""
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise EngineFailed(f"the database does not answer: {' '.join(str(error).split())}") from None
    with connection:
        yield connection


def client(url: str) -> tuple[list[str], dict[str, str]]:
    """Options and environment with which PostgreSQL's programs reach a server; the password is no option."""
    place = urlsplit(url)
    options = ["-h", place.hostname or "127.0.0.1", "-p", str(place.port or 5432)]
    options += ["-U", unquote(place.username or "postgres"), "-w"]
    return options, os.environ | {"PGPASSWORD": unquote(place.password or ""), "PGAPPNAME": "plantops backup"}


def claim(store: Path, origin: Origin) -> None:
    """Make a folder the store of one plant; EngineFailed when it is another's, or of the time before a restore."""
    note = store / "store.json"
    if note.exists():
        try:
            known = Origin(**json.loads(note.read_text()))
        except (ValueError, TypeError):
            raise EngineFailed(f"{note} cannot be read; choose another folder") from None
        if known.system != origin.system:
            raise EngineFailed(f"{store} holds the backups of another plant; choose another folder")
        if known.timeline != origin.timeline:
            raise EngineFailed(f"{store} holds backups from before this plant was restored; choose a new folder")
        return
    if store.exists() and any(store.iterdir()):
        raise EngineFailed(f"{store} holds something else; choose an empty folder or one of this plant's backups")
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    note.write_text(json.dumps({"system": origin.system, "timeline": origin.timeline}))


class Archive:
    """The receiver of one server's log; a context manager. `follow` begins, `watch` starts it again when it died."""

    def __init__(self, store: Path) -> None:
        self.store = store.resolve()
        self.folder = self.store / "wal"
        self._stack = contextlib.ExitStack()
        self._server: Server | None = None
        self._url = ""
        self._size = 0
        self._started = 0.0
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Receive no more; what is written from now on waits at the server."""
        if self._server is not None:
            self._server.stop(signal.SIGINT, seconds=5)
            self._server = None
        self._stack.close()

    @property
    def pid(self) -> int:
        """Process id of the receiver; 0 before the start."""
        return self._server.pid if self._server is not None else 0

    @property
    def alive(self) -> bool:
        """Whether the receiver runs."""
        return self._server is not None and self._server.alive

    def follow(self, url: str) -> None:
        """Receive the log of a server from now on; EngineFailed when it cannot."""
        claim(self.store, Origin.of(url))
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._stack.enter_context(held(self.folder, "archive"))
        self._end_orphan()
        with connected(url) as connection:
            query = "select wal_status = 'lost' from pg_replication_slots where slot_name = %s"
            known = connection.execute(query, [SLOT]).fetchone()
            if known and known[0]:  # nobody received for too long; the hole is said below, or is behind a new folder
                connection.execute("select pg_drop_replication_slot(%s)", [SLOT])
            if not known or known[0]:
                connection.execute("select pg_create_physical_replication_slot(%s, true)", [SLOT])
            size = connection.execute("select setting from pg_settings where name = 'wal_segment_size'").fetchone()
            assert size is not None
            self._size = int(size[0])
        self._url = url
        self._launch()
        assert self._server is not None
        try:
            self._server.wait_ready(self._receives)
        except EngineFailed:
            if "has already been removed" not in self._server.tail():
                raise
            why = f"the server has no longer kept what {self.store} lacks; begin a new folder with a base backup"
            raise EngineFailed(why) from None

    def watch(self) -> str:
        """Start a receiver that died again, after a pause; gives what to tell, "" for nothing new."""
        if self.alive:
            self._told = False
            return ""
        told, self._told = self._told, True
        if time.monotonic() - self._started > PAUSE and self._server is not None:
            why = self._server.tail(1)
            self._server.stop()
            self._launch()
            self._told = False
            return f"archive: the receiver had died and runs again ({why})"
        return "" if told else "archive: the receiver died; it is started again in a moment"

    def reached(self, lsn: str, seconds: float = 30) -> bool:
        """Wait until the archive holds the log up to a position; whether it does."""
        until = time.monotonic() + seconds
        with connected(self._url) as connection:
            while time.monotonic() < until:
                row = connection.execute(
                    "select flush_lsn >= %s::pg_lsn from pg_stat_replication "
                    "where pid = (select active_pid from pg_replication_slots where slot_name = %s)",
                    [lsn, SLOT],
                ).fetchone()
                if row is not None and row[0]:
                    return True
                time.sleep(0.05)
        return False

    def _launch(self) -> None:
        _drop_blank(self.folder, self._size)
        options, environment = client(self._url)
        command = [str(programs(Account(None, None)) / "pg_receivewal"), "-D", str(self.folder), "--slot", SLOT]
        command += ["--synchronous", "--status-interval=1", "--no-loop", *options]  # `watch` starts it again
        self._server = Server("archive", command, self.store / "archive.log", Account(None, None), environment)
        self._started = time.monotonic()
        (self.store / "archive.pid").write_text(str(self._server.pid))

    def _end_orphan(self, seconds: float = 20) -> None:
        """End a receiver of this very folder whose owner died without stopping it: it would keep the slot."""
        try:
            pid = int((self.store / "archive.pid").read_text())
        except (OSError, ValueError):
            return
        until = time.monotonic() + seconds
        with contextlib.suppress(OSError):
            while str(self.folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGINT if time.monotonic() < until else signal.SIGKILL)
                time.sleep(0.05)

    def _receives(self) -> bool:
        """Whether something has arrived: a slot in use does not say that the server still has what is asked for."""
        with connected(self._url) as connection:
            row = connection.execute(
                "select write_lsn is not null from pg_stat_replication "
                "where pid = (select active_pid from pg_replication_slots where slot_name = %s)",
                [SLOT],
            ).fetchone()
        return bool(row and row[0])


# --- what lies in an archive ------------------------------------------------------------------------------------


def segments(folder: Path, size: int = 0) -> dict[str, Path]:
    """Name -> file of the segments that an archive holds, in order; the last one may be partial.

    With the `size` of a segment, a partial one that was still being laid out when its receiver died is left out.
    """
    found = {
        path.name[:_SEGMENT]: path
        for path in folder.glob("[0-9A-F]*.partial")
        if _is(path.name[:-8]) and (not size or path.stat().st_size == size)
    }
    found |= {path.name: path for path in folder.glob("[0-9A-F]*") if _is(path.name)}
    return dict(sorted(found.items()))


def _drop_blank(folder: Path, size: int) -> None:
    """Remove a partial segment that is shorter than a segment and holds nothing: a receiver fills it with zeros
    before it writes, and refuses for ever what another left half filled."""
    for path in folder.glob("*.partial"):
        if 0 < path.stat().st_size < size and not path.read_bytes().strip(b"\0"):
            path.unlink()


def _is(name: str) -> bool:
    return len(name) == _SEGMENT and all(sign in "0123456789ABCDEF" for sign in name)


def hole(names: Mapping[str, Path], first: str, size: int) -> str:
    """The first segment that is missing behind `first`, "" for none; `size` = bytes of a segment."""
    timeline, each = first[:8], 0x1_0000_0000 // size
    number = int(first[8:16], 16) * each + int(first[16:], 16)
    mine = [name for name in names if name[:8] == timeline and name >= first]
    for name in mine:
        wanted = f"{timeline}{number // each:08X}{number % each:08X}"
        if name != wanted:
            return wanted
        number += 1
    return ""


def stage(names: Mapping[str, Path], folder: Path, first: str, target: Path, who: Account) -> None:
    """Copy segments from `first` on, and the histories of timelines, to where the server's account may read them."""
    for name, path in names.items():
        if name[8:] >= first[8:]:
            shutil.copyfile(path, target / name)
            who.own(target / name)
    for path in folder.glob("*.history"):
        shutil.copyfile(path, target / path.name)
        who.own(target / path.name)
