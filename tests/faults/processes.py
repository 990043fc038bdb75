"""Processes of the plant under faults: started by forking, killed, stopped, and revived by a supervisor."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.chassis.clock import utc_now

ROOT = Path(__file__).parents[2]
REVIVE_SECONDS = 0.1


class Spawner:
    """The process that all others are forked from (tests/faults/child.py)."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._ended: dict[int, int] = {}
        self._number = 0
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Spawner":
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[0] = ready
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.child",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT, start_new_session=True,
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read())
        await asyncio.wait_for(ready, 120)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reader is not None
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 10)
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said: dict[str, int] = json.loads(line)
            if "ended" in said:
                self._ended[said["ended"]] = said["code"]
            else:
                number, pid = said.get("number", 0), said.get("started", said.get("ready", 0))
                self._ended.pop(pid, None)
                self._waiting.pop(number).set_result(pid)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(RuntimeError("the spawner ended"))

    async def start(self, wanted: Mapping[str, Any]) -> int:
        """Fork one process; gives its id."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._number += 1
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = started
        self._process.stdin.write(json.dumps({**wanted, "number": self._number}).encode() + b"\n")
        await self._process.stdin.drain()
        return await asyncio.wait_for(started, 60)

    def code_of(self, pid: int) -> int | None:
        """How a process ended; None while it runs."""
        return self._ended.get(pid)


@dataclass
class Worker:
    """One process: what it runs and with which settings; faults and bugs may be set before its next start."""

    name: str
    module: str
    environment: Mapping[str, str]
    log: Path
    spawner: Spawner
    timers: Mapping[str, float] | None = None
    bugs: Sequence[str] = ()
    fault: str = ""
    """PLANTOPS_FAULT of the next start alone."""
    clock: float = 0.0
    pid: int = 0
    held: bool = False
    """Not revived while held."""
    deaths: int = 0
    started: float = field(default=0.0)
    stopped: bool = False

    @property
    def alive(self) -> bool:
        """Whether it runs, be it stopped."""
        return self.pid != 0 and self.spawner.code_of(self.pid) is None

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self.spawner.code_of(self.pid) if self.pid else None

    async def start(self) -> None:
        """Start it with its settings; an armed fault goes along once."""
        key = f"PLANTOPS_{self.module.rpartition('.')[2].upper()}_FAULT"
        environment = {**self.environment, **({key: self.fault} if self.fault else {})}
        self.fault, self.stopped = "", False
        wanted = {"module": self.module, "environment": environment, "log": str(self.log), "bugs": list(self.bugs),
                  "timers": self.timers, "clock": self.clock}  # fmt: skip
        self.pid = await self.spawner.start(wanted)
        self.started = time.monotonic()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self.alive:
            self.stopped = number == signal.SIGSTOP or (self.stopped and number != signal.SIGCONT)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def ended(self, seconds: float = 30) -> bool:
        """Wait until it has ended; whether it has."""
        until = time.monotonic() + seconds
        while self.alive and time.monotonic() < until:
            await asyncio.sleep(0.01)
        return not self.alive

    def tail(self, lines: int = 8) -> str:
        """Last lines of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


class Supervisor:
    """Revives what died, as Kubernetes or `plantops run` would do."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = list(workers)
        self.refused: list[str] = []
        """Processes that ended by themselves with an error, which a fault never explains."""
        self.on_death: Callable[[Worker], None] = lambda worker: None
        self._task: asyncio.Task[None] | None = None

    def __getitem__(self, name: str) -> Worker:
        return next(worker for worker in self.workers if worker.name == name)

    async def __aenter__(self) -> "Supervisor":
        await asyncio.gather(*(worker.start() for worker in self.workers))
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        for worker in self.workers:  # how they drain is shown elsewhere
            worker.held = True
            worker.send(signal.SIGKILL)
        await asyncio.gather(*(worker.ended() for worker in self.workers))

    async def _watch(self) -> None:
        while True:
            for worker in self.workers:
                if worker.alive or worker.held:
                    continue
                if worker.code not in (None, 0, -signal.SIGKILL):
                    self.refused.append(f"{utc_now():%H:%M:%S} {worker.name} ended with {worker.code}")
                worker.deaths += 1
                self.on_death(worker)
                await asyncio.sleep(REVIVE_SECONDS)
                if not worker.held:
                    await worker.start()
            await asyncio.sleep(0.02)
