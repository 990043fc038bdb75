"""A plant of the drill: `plantops run` and its processes, commanded and destroyed from outside."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from cli.engines import account

PLANTOPS = [sys.executable, "-m", "cli"]
READY_SECONDS = 400.0


class DrillFailed(Exception):
    """The drill cannot go on; the text says why."""


def environment() -> dict[str, str]:
    """Without settings of another plant."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PLANTOPS_")}


def plantops(*words: str, seconds: float = 400, wrong: bool = False) -> str:
    """Run a command of the command line; what it printed. DrillFailed when its exit code is not 0 (1 for `wrong`)."""
    done = subprocess.run(
        [*PLANTOPS, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        timeout=seconds,
        check=False,
    )
    if done.returncode != (1 if wrong else 0):
        raise DrillFailed(f"plantops {' '.join(words)} ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return done.stdout


class Plant:
    """One plant on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> float:
        """Run it until it is ready; gives the seconds."""
        began = time.monotonic()
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [*PLANTOPS, "--data", str(self.folder), "run", "--free-ports", *options],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment(),
                start_new_session=True,
            )
        while "Plantops runs" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > began + READY_SECONDS:
                raise DrillFailed(f"the plant did not come up:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)
        return time.monotonic() - began

    def tell(self, *words: str, **more: Any) -> str:
        """Run a command of the command line against this plant."""
        return plantops("--data", str(self.folder), *words, **more)

    @property
    def addresses(self) -> dict[str, Any]:
        """Where its parts are, as it wrote it."""
        found: dict[str, Any] = json.loads((self.folder / "plant.json").read_text())
        return found

    @property
    def data(self) -> Path:
        """Folder of the databases, which may lie elsewhere when root runs the plant."""
        return account.data_folder(self.folder / "postgres", account.account())

    def rows(self, service: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, as the superuser sees them."""
        url = urlsplit(self.addresses["postgres_url"])._replace(path=f"/{service}").geturl()
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(query, parameters).fetchall()  # type: ignore[arg-type]

    def kill(self) -> float:
        """kill -9 of everything, the watching process first; gives the instant."""
        assert self.process is not None
        instant = time.time()
        for pid in (self.process.pid, *self.addresses["pids"].values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return instant

    def destroy(self) -> None:
        """Kill it, wait until all of it is gone, and remove the folders of databases and streams."""
        assert self.process is not None
        pids = [self.process.pid, *self.addresses["pids"].values()]
        self.kill()
        self.process.wait()
        mark = f"-D {self.data}".encode()
        until = time.monotonic() + 20
        while any(mark in command for command in _commands()) or any(map(_alive, pids)):
            if time.monotonic() > until:
                raise DrillFailed("processes of the plant outlive kill -9")
            time.sleep(0.02)
        self.remove()

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(90)
            except subprocess.TimeoutExpired:
                self.destroy()

    def remove(self) -> None:
        """Remove what lies in its folders."""
        data = self.data
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        if data.parent.parent == account.SHELTER:
            shutil.rmtree(data.parent, ignore_errors=True)

    def lose_broker(self) -> None:
        """The broker dies and its volume is gone; the plant's own watch starts it again, empty."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)  # else it is back before its folder is empty
        try:
            pid = self.addresses["pids"]["nats"]
            os.kill(pid, signal.SIGKILL)
            until = time.monotonic() + 20
            while _alive(pid):
                if time.monotonic() > until:
                    raise DrillFailed("the broker outlives kill -9")
                time.sleep(0.02)
            for path in (self.folder / "nats").iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        finally:
            self.process.send_signal(signal.SIGCONT)


def _alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _commands() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_bytes().replace(b"\0", b" ")


def size_of(folder: Path, names: Iterable[Path] | None = None) -> int:
    """Bytes of the files below a folder, or of those given."""
    return sum(path.stat().st_size for path in (names or folder.rglob("*")) if path.is_file())
