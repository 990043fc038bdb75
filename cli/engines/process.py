"""A server process of ours: started with its own log, awaited, stopped, never somebody else's."""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from cli.engines.account import Account


class EngineFailed(RuntimeError):
    """An engine did not start or stop; the sentence says which and why."""


class Server:
    """One child process in its own session, so that a terminal's Ctrl-C reaches only who controls it."""

    def __init__(
        self,
        title: str,
        command: Sequence[str],
        log: Path,
        who: Account,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.title = title
        self.log = log
        self._out: IO[bytes] = log.open("ab")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
            env=None if environment is None else dict(environment),
            **who.popen(),  # type: ignore[call-overload]
        )

    @property
    def pid(self) -> int:
        """Process id."""
        pid: int = self._process.pid
        return pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def wait_ready(self, ready: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until `ready` says yes; EngineFailed with the log's end when it ends or time is up."""
        until = time.monotonic() + seconds
        while True:
            if self._process.poll() is not None:
                raise EngineFailed(f"{self.title} ended at once ({self._process.returncode}): {self.tail()}")
            if ready():
                return
            if time.monotonic() > until:
                raise EngineFailed(f"{self.title} was not ready within {seconds:g} s: {self.tail()}")
            time.sleep(0.02)

    def tail(self, lines: int = 5) -> str:
        """Last lines of the log."""
        with contextlib.suppress(OSError):
            return " | ".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return "no log"

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def stop(self, *signals: signal.Signals, seconds: float = 20) -> None:
        """Ask it to stop with the first signal, then with the next ones, at last with SIGKILL."""
        for number in (*signals, signal.SIGKILL):
            self.send(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                break
        self._out.close()


class FolderInUse(EngineFailed):
    """Another process of ours holds the data folder."""


@contextlib.contextmanager
def held(folder: Path, title: str):  # type: ignore[no-untyped-def]
    """Hold a data folder for this process; FolderInUse when another one does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{title}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(f"a plant runs already on {folder}; stop it or use another folder") from None
        yield
    finally:
        os.close(descriptor)
