"""What a service does by itself, on time: one run at a time over all replicas, a failing run does not stop it."""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any, TypeVar
from uuid import uuid4

import structlog
from sqlalchemy import Executable, text

from services.chassis.db import DRIVER_ERRORS, LOST, sqlstate
from services.chassis.remedies import Seldom, said

log = structlog.get_logger("jobs")

Job = Callable[[Any], Awaitable[None]]
F = TypeVar("F", bound=Callable[..., Any])

BEAT = timedelta(seconds=5)
BEAT_LIMIT = timedelta(seconds=20)
"""How often the holder of a job's lease gives a sign, and after what silence another replica takes over."""
AGAIN = timedelta(seconds=30)
"""A run that the database's absence ended is repeated so soon, however rare the job is."""


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


class LeaseLost(Exception):
    """Another replica took the job over, because this one gave no sign for too long."""


_TAKE = text("""
    insert into job_run (job, holder, started_at, beat_at) values (:job, :holder, now(), now())
    on conflict (job) do update
    set holder = excluded.holder, started_at = now(), beat_at = now(), finished_at = null, failed = ''
    where job_run.finished_at is not null or job_run.beat_at < now() - cast(:limit as interval)
    returning 1
""")
_BEAT = text("update job_run set beat_at = now() where job = :job and holder = :holder returning 1")
_END = text("update job_run set finished_at = now(), failed = :failed where job = :job and holder = :holder")


async def run_once(function: Job, open_unit: Callable[..., Any]) -> bool:
    """Run a job unless another replica runs it now; whether it ran.

    A lease on the database's clock keeps others off, so that no transaction stays open while the job works and
    each of its units has its own time limit (REL-53). The holder beats; one that is silent for BEAT_LIMIT has
    lost the lease, and a holder that finds it lost is stopped with LeaseLost.
    """
    lease = {"job": function.__name__, "holder": uuid4().hex}  # type: ignore[attr-defined]
    if not await _changed(open_unit, _TAKE, {**lease, "limit": BEAT_LIMIT}):
        return False
    failed = "stopped"
    try:
        await _beating(function, open_unit, lease)
        failed = ""
    except Exception as error:
        failed = f"{type(error).__name__}: {error}"[:2000]
        raise
    finally:
        with contextlib.suppress(OSError, *DRIVER_ERRORS):
            await asyncio.shield(_changed(open_unit, _END, {**lease, "failed": failed}))
    return True


async def _beating(function: Job, open_unit: Callable[..., Any], lease: Mapping[str, str]) -> None:
    working: asyncio.Future[None] = asyncio.ensure_future(function(open_unit))
    try:
        while True:
            await asyncio.wait({working}, timeout=BEAT.total_seconds())
            if working.done():
                return working.result()
            if not await _changed(open_unit, _BEAT, lease):
                raise LeaseLost(lease["job"])
    finally:
        if not working.done():
            working.cancel()
            await asyncio.wait({working})


async def _changed(open_unit: Callable[..., Any], statement: Executable, values: Mapping[str, Any]) -> bool:
    async with open_unit() as unit:
        result = await unit.execute(statement, dict(values))
        return bool(result.returns_rows and result.first() is not None)


class Runner:
    """Runs a service's jobs until stopped."""

    def __init__(self, jobs: list[Job], open_unit: Callable[..., Any]) -> None:
        self.jobs = jobs
        self.open_unit = open_unit
        self._seldom = Seldom(300)
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
            pause = every
            try:
                await run_once(function, self.open_unit)
            except Exception as error:
                name = function.__name__  # type: ignore[attr-defined]
                if _away(error):  # no defect, and soon over
                    pause = min(every, AGAIN)
                    if self._seldom.due(name):
                        log.warning("job failed", job=name, error=said(error))
                else:
                    log.exception("job failed", job=name)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause.total_seconds())


def _away(error: Exception) -> bool:
    """Whether the database was away or had no room."""
    return isinstance(error, OSError) or (
        isinstance(error, DRIVER_ERRORS) and sqlstate(error).startswith((*LOST, "53"))
    )
