"""G16: from the commit in one service to the commit of the effect in another, on an idle plant.

Maintenance changes a site, materials follows it. Both run in this process, so that both commits are seen by one
clock; engines are processes of their own and write through to disk. One event is on its way at a time.
"""

import asyncio
import random
import time
from typing import Any
from uuid import uuid4

from plantops.maintenance.v1 import sites_pb2

from services.chassis.serve import Process, process_of
from tests.load.measure import Goal, Report, Turn, compare, own_seconds, percentile
from tests.load.stage import Caller, Stage, apply_streams, until

EVENTS = 60
"""In a round."""
GOAL = Goal("G16", "commit to effect in another service, p50", "ms", must=150, aim=50, better="lower")


class Commits:
    """When the source has committed, and when the listener has."""

    def __init__(self, source: Process, target: Process) -> None:
        self.told = self.applied = 0.0
        self.arrived = asyncio.Event()
        commit = source.commands._commit
        consumer = next(one for one in target.consumers if one.inbox.stream == "MAINTENANCE")
        apply = consumer.inbox.apply

        async def committed(session: Any) -> None:
            await commit(session)
            self.told = time.perf_counter()

        async def applied(envelope: Any, payload: bytes) -> str:
            outcome = await apply(envelope, payload)
            if envelope.type.endswith(".SiteChanged"):
                self.applied = time.perf_counter()
                self.arrived.set()
            return outcome

        source.commands._commit = committed  # type: ignore[method-assign]
        consumer.inbox.apply = applied  # type: ignore[method-assign]


async def run(found: Stage) -> list[Report]:
    """Measure round after round."""
    await apply_streams(found)
    source, target = (process_of(name, found.config(name)) for name in ("maintenance", "materials"))
    await asyncio.gather(source.start(), target.start())
    await until(lambda: source.ready and target.ready, 0.05)
    caller = Caller(source.port, "plantops.maintenance.v1", found.token())
    commits = Commits(source, target)
    made = await caller(
        sites_pb2.CreateSiteRequest(
            site_id="hamburg",
            site=sites_pb2.Site(title="x", time_zone="Europe/Berlin", currency_code="EUR", country_code="DE"),
            request_id=str(uuid4()),
        )
    )
    dice, every = random.Random(1), []

    async def idle(number: int) -> Turn:
        times: list[float] = []
        used = own_seconds()
        for event in range(EVENTS):
            await asyncio.sleep(dice.uniform(0.02, 0.25))  # anywhere in the rhythm of polls
            commits.arrived.clear()
            await caller(
                sites_pb2.UpdateSiteRequest(
                    site=sites_pb2.Site(name=made.name, title=f"{number}-{event}"), request_id=str(uuid4())
                )
            )
            await asyncio.wait_for(commits.arrived.wait(), 30)
            times.append((commits.applied - commits.told) * 1000)
        every.extend(times)
        return Turn(percentile(times, 50), None, EVENTS, (own_seconds() - used) / EVENTS * 1e6)

    try:
        report = await compare(GOAL, idle)
        report.more = {f"p{percent} ms": percentile(every, percent) for percent in (50, 90, 99)}
        report.more["events"] = len(every)
        return [report]
    finally:
        await caller.channel.close()
        await asyncio.gather(source.stop(), target.stop())
