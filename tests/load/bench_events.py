"""G16: from the commit in one service to the commit of the effect in another, idle and under load.

Maintenance changes sites, materials follows them; each is a process of its own, and both write down their commits by
the machine's one steady clock. Engines write through to disk. Idle, one event is on its way at a time. Under load,
commands arrive at random moments at a share of what the pair can carry, and every event counts.

What it can carry is measured first: a closed loop of commands, until the last effect is there.
"""

import asyncio
import itertools
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import grpc
from plantops.maintenance.v1 import sites_pb2

from cli.engines import free_port
from cli.processes import Child
from tests.load.measure import Goal, Report, Turn, compare, own_seconds, percentile
from tests.load.stage import Caller, Stage, apply_streams, running, service_child

SITES = 32
EVENTS = 20
"""In an idle round."""
CALLERS = 16
CAPACITY_SECONDS = 4.0
LEVELS = (0.5, 0.9)
LEVEL_SECONDS, LEVEL_ROUNDS = 6.0, 2
ARRIVE_SECONDS = 30.0
"""The longest that the effects of a round are waited for after its end."""
IDLE = Goal("G16", "commit to effect in another service, p50", "ms", must=150, aim=50, better="lower")


class Commits:
    """When events were committed and when their effects were, read from the files of both processes."""

    def __init__(self, files: list[Path]) -> None:
        self.times: dict[str, dict[str, float]] = {"told": {}, "applied": {}}
        self._files = {path: 0 for path in files}

    def read(self) -> None:
        """Take in what was written since the last time."""
        for path, place in self._files.items():
            with path.open() as file:
                file.seek(place)
                content = file.read()
            whole, newline, _ = content.rpartition("\n")
            self._files[path] = place + len(whole) + len(newline)
            for line in whole.splitlines():
                what, event_id, moment = line.split()
                self.times[what][event_id] = float(moment)

    async def since(self, moment: float, count: int) -> list[tuple[float, float]]:
        """(told, applied) of the events told since then, when so many of them have had their effect."""
        ends = time.monotonic() + ARRIVE_SECONDS
        while True:
            self.read()
            told = {event_id: at for event_id, at in self.times["told"].items() if at >= moment}
            found = [(at, self.times["applied"][event_id]) for event_id, at in told.items()
                     if event_id in self.times["applied"]]  # fmt: skip
            if len(found) >= count:
                return found
            assert time.monotonic() < ends, f"{len(found)} of {count} effects are there"
            await asyncio.sleep(0.005 if count == 1 else 0.1)


class Source:
    """Commands at maintenance: a new title for one of the sites, in turn."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._numbers = itertools.count()

    async def prepare(self) -> None:
        """Make the sites."""
        for number in range(SITES):
            site = sites_pb2.Site(title="x", time_zone="Europe/Berlin", currency_code="EUR", country_code="DE")
            request = sites_pb2.CreateSiteRequest(site_id=f"s{number}", site=site, request_id=str(uuid4()))
            await self.caller(request)

    async def change(self) -> None:
        """One command, one event."""
        number = next(self._numbers)
        site = sites_pb2.Site(name=f"sites/s{number % SITES}", title=f"title {number}")
        await self.caller(sites_pb2.UpdateSiteRequest(site=site, request_id=str(uuid4())))

    async def closed(self, seconds: float) -> int:
        """Callers who ask again when they are answered; how many commands that were."""
        ends, done = time.perf_counter() + seconds, 0

        async def work() -> None:
            nonlocal done
            while time.perf_counter() < ends:
                await self.change()
                done += 1

        await asyncio.gather(*(work() for _ in range(CALLERS)))
        return done

    async def open(self, rate: float, seconds: float, dice: random.Random) -> tuple[int, int]:
        """Commands at random moments, whatever the answers do; how many were done, how many refused as too many."""
        begin = time.perf_counter()
        due, tasks = dice.expovariate(rate), []
        while due < seconds:
            await asyncio.sleep(max(0.0, begin + due - time.perf_counter()))
            tasks.append(asyncio.ensure_future(self._taken()))
            due += dice.expovariate(rate)
        taken = sum(await asyncio.gather(*tasks))
        return taken, len(tasks) - taken

    async def _taken(self) -> bool:
        try:
            await self.change()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            return False
        return True


@asynccontextmanager
async def pair(found: Stage) -> AsyncIterator[tuple[Source, Commits]]:
    """Both services, ready, and what they write down."""
    await apply_streams(found)
    files = [found.folder / f"{name}.commits" for name in ("maintenance", "materials")]
    source, target = (_observed(found, path.stem, path) for path in files)
    async with running(source[0], source[1], "ready"), running(target[0], target[1], "ready"):
        caller = Caller(source[1], "plantops.maintenance.v1", found.token())
        try:
            yield Source(caller), Commits(files)
        finally:
            await caller.channel.close()


def _observed(found: Stage, service: str, path: Path) -> tuple[Child, int]:
    port = free_port()
    process = service_child(found, service, port)
    process.command = [sys.executable, "-m", "tests.load.observed", service, str(path)]
    path.touch()
    return process, port


async def run(found: Stage) -> list[Report]:
    """Measure idle, then under load."""
    async with pair(found) as (source, commits):
        await source.prepare()
        await commits.since(0, SITES)
        dice = random.Random(1)
        reports = [await _idle(source, commits, dice)]
        began = time.perf_counter()
        count = await source.closed(CAPACITY_SECONDS)
        pairs = await commits.since(began, count)
        capacity = count / (max(applied for _, applied in pairs) - min(told for told, _ in pairs))
        for level in LEVELS:
            reports.append(await _loaded(source, commits, dice, level, capacity))
        return reports


async def _idle(source: Source, commits: Commits, dice: random.Random) -> Report:
    every: list[float] = []

    async def one_at_a_time(number: int) -> Turn:
        times: list[float] = []
        used = own_seconds()
        for _ in range(EVENTS):
            await asyncio.sleep(dice.uniform(0.02, 0.25))  # anywhere in the rhythm of polls
            began = time.perf_counter()
            await source.change()
            ((told, applied),) = await commits.since(began, 1)
            times.append((applied - told) * 1000)
        every.extend(times)
        return Turn(percentile(times, 50), None, EVENTS, (own_seconds() - used) / EVENTS * 1e6)

    report = await compare(IDLE, one_at_a_time)
    report.more = _percentiles(every)
    return report


async def _loaded(source: Source, commits: Commits, dice: random.Random, level: float, capacity: float) -> Report:
    every: list[float] = []
    refused = 0

    async def at_level(number: int) -> Turn:
        nonlocal refused
        used, began = own_seconds(), time.perf_counter()
        count, too_many = await source.open(level * capacity, LEVEL_SECONDS, dice)
        times = [(applied - told) * 1000 for told, applied in await commits.since(began, count)]
        every.extend(times)
        refused += too_many
        return Turn(percentile(times, 50), None, count, (own_seconds() - used) / count * 1e6)

    goal = Goal("G16", f"the same at {level:.0%} of capacity, p50 (context)", "ms", better="lower")
    report = await compare(goal, at_level, rounds=LEVEL_ROUNDS, repeats=1)
    report.more = _percentiles(every) | {"commands/s": level * capacity, "refused": refused}
    return report


def _percentiles(times: list[float]) -> dict[str, float]:
    return {f"p{percent} ms": percentile(times, percent) for percent in (50, 90, 99)} | {"events": len(times)}
