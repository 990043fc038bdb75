"""What a service does by itself, on time: one run at a time over all replicas, a failing run does not stop it."""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import ModuleType
from typing import Any, TypeVar
from zlib import crc32

import structlog
from sqlalchemy import text

log = structlog.get_logger("jobs")

Job = Callable[[Any], Awaitable[None]]
F = TypeVar("F", bound=Callable[..., Any])

_LOCK = 7_301_003


def job(*, every: timedelta) -> Callable[[F], F]:
    """Mark a coroutine `(open_unit)` as a job that runs again this long after its last end."""

    def mark(function: F) -> F:
        function.every = every  # type: ignore[attr-defined]
        return function

    return mark


def jobs_of(module: ModuleType) -> list[Job]:
    """The jobs of a module."""
    return [
        function
        for function in vars(module).values()
        if inspect.iscoroutinefunction(function) and hasattr(function, "every")
    ]


async def run_once(function: Job, open_unit: Callable[..., Any]) -> bool:
    """Run a job unless another replica runs it now; whether it ran.

    The lock is a transaction's: it ends with the session that holds it.
    """
    name = function.__name__  # type: ignore[attr-defined]
    async with open_unit() as guard:
        got = await guard.execute(
            text("select pg_try_advisory_xact_lock(:space, :key)"),
            {"space": _LOCK, "key": crc32(name.encode()) - (1 << 31)},
        )
        if not got.scalar():
            return False
        await function(open_unit)
    return True


class Runner:
    """Runs a service's jobs until stopped."""

    def __init__(self, jobs: list[Job], open_unit: Callable[..., Any]) -> None:
        self.jobs = jobs
        self.open_unit = open_unit
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Start no more runs."""
        self._stopping.set()

    async def run(self) -> None:
        """Run all jobs side by side, each in its own rhythm."""
        await asyncio.gather(*(self._repeat(function) for function in self.jobs))

    async def _repeat(self, function: Job) -> None:
        every: timedelta = function.every  # type: ignore[attr-defined]
        while not self._stopping.is_set():
            try:
                await run_once(function, self.open_unit)
            except Exception:
                log.exception("job failed", job=function.__name__)  # type: ignore[attr-defined]
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), every.total_seconds())
