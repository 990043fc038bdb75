"""Jobs: one at a time over all replicas, no transaction open while they work, a failure stops nobody (OPS-21)."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from cli.engines import Engines
from services.chassis import jobs
from services.chassis.jobs import LeaseLost, Runner, job, run_once
from services.chassis.serve import Process
from tests.plant import superuser


@pytest.fixture
def look(bootstrapped: Engines, process: Process) -> Iterator[psycopg.Connection[Any]]:
    with superuser(bootstrapped, "sample") as connection:
        yield connection
        connection.execute("delete from job_run where job = 'work'")


class Work:
    """A job that tells when it began and ends when it may."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.runs = 0

        @job(every=timedelta(milliseconds=10))
        async def work(open_unit: Any) -> None:
            self.runs += 1
            self.begun.set()
            await self.may_end.wait()

        self.function = work


def lease(look: psycopg.Connection[Any]) -> Any:
    return look.execute("select finished_at is not null, failed, holder from job_run where job = 'work'").fetchone()


@pytest.mark.rule("OPS-21")
async def test_one_replica_at_a_time_runs_a_job(process: Process, look: psycopg.Connection[Any]) -> None:
    open_unit, first, second = process.commands.open_unit, Work(), Work()
    running = asyncio.ensure_future(run_once(first.function, open_unit))
    await first.begun.wait()
    assert await run_once(second.function, open_unit) is False
    assert lease(look)[:2] == (False, "")
    first.may_end.set()
    assert await running is True
    assert lease(look)[:2] == (True, "")
    second.may_end.set()
    assert await run_once(second.function, open_unit) is True
    assert (first.runs, second.runs) == (1, 1)


@pytest.mark.rule("REL-53")
async def test_no_transaction_stays_open_while_a_job_works(process: Process, look: psycopg.Connection[Any]) -> None:
    work = Work()
    running = asyncio.ensure_future(run_once(work.function, process.commands.open_unit))
    await work.begun.wait()
    opened = "select count(*) from pg_stat_activity where datname = 'sample' and state like 'idle in transaction%'"
    async with asyncio.timeout(10):
        while look.execute(opened).fetchone() != (0,):  # noqa: ASYNC110 - others have theirs for a moment
            await asyncio.sleep(0.01)
    work.may_end.set()
    await running


@pytest.mark.rule("OPS-21")
async def test_a_silent_holder_loses_the_lease_and_is_stopped(
    process: Process, look: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_unit, first, second = process.commands.open_unit, Work(), Work()
    monkeypatch.setattr(jobs, "BEAT", timedelta(milliseconds=200))
    running = asyncio.ensure_future(run_once(first.function, open_unit))
    await first.begun.wait()
    assert await run_once(second.function, open_unit) is False
    look.execute("update job_run set beat_at = now() - interval '21 s' where job = 'work'")
    second.may_end.set()
    assert await run_once(second.function, open_unit) is True
    taken = lease(look)
    with pytest.raises(LeaseLost):
        await running
    assert lease(look) == taken  # the former holder changes nothing any more


@pytest.mark.rule("OPS-21")
async def test_a_holder_that_gives_signs_keeps_the_lease(
    process: Process, look: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()
    monkeypatch.setattr(jobs, "BEAT", timedelta(milliseconds=20))
    running = asyncio.ensure_future(run_once(work.function, process.commands.open_unit))
    await work.begun.wait()
    begun = look.execute("select beat_at from job_run where job = 'work'").fetchone()
    for _ in range(200):
        if look.execute("select beat_at from job_run where job = 'work'").fetchone() != begun:
            break
        await asyncio.sleep(0.01)
    else:
        pytest.fail("no beat")
    work.may_end.set()
    assert await running is True


async def test_a_job_that_fails_says_so_and_runs_again(process: Process, look: psycopg.Connection[Any]) -> None:
    runs = 0
    twice = asyncio.Event()

    @job(every=timedelta(milliseconds=10))
    async def work(open_unit: Any) -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            twice.set()
        raise ValueError("no luck")

    with pytest.raises(ValueError, match="no luck"):
        await run_once(work, process.commands.open_unit)
    assert lease(look)[:2] == (True, "ValueError: no luck")
    runner = Runner([work], process.commands.open_unit)
    running = asyncio.ensure_future(runner.run())
    async with asyncio.timeout(10):
        await twice.wait()
    runner.stop()
    async with asyncio.timeout(10):
        await running


async def test_a_stopped_job_gives_its_lease_back(process: Process, look: psycopg.Connection[Any]) -> None:
    work = Work()
    running = asyncio.ensure_future(run_once(work.function, process.commands.open_unit))
    await work.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert lease(look)[:2] == (True, "stopped")
    work.may_end.set()
    assert await run_once(work.function, process.commands.open_unit) is True


async def test_a_rare_job_that_found_no_database_runs_again_soon(
    process: Process, look: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "AGAIN", timedelta(milliseconds=10))
    done = asyncio.Event()
    refusals = 0

    @job(every=timedelta(hours=6))
    async def work(open_unit: Any) -> None:
        done.set()

    def open_unit() -> Any:
        nonlocal refusals
        if refusals < 3:
            refusals += 1
            raise ConnectionRefusedError("the database is away")
        return process.commands.open_unit()

    runner = Runner([work], open_unit)
    with capture_logs() as lines:
        running = asyncio.ensure_future(runner.run())
        async with asyncio.timeout(10):
            await done.wait()
    assert [line["error"] for line in lines if line["event"] == "job failed"] == ["the database is away"]
    runner.stop()
    await running
