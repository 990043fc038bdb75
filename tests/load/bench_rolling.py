"""Rolling restarts under load (OPS-18): two replicas of every process, twenty of them restarted one after the other.

Ordinary HTTP clients with kept connections work through both gateways meanwhile. None of their requests may fail, no
event may be lost, and a relay that is drained has to be replaced within a second.
"""

import asyncio
import itertools
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cli.home import SERVICES
from tests.load.fleet import REPLICAS, Fleet, HandOvers, fleet, grounds, lost
from tests.load.measure import Goal, Meter, Report, Round, Turn
from tests.load.mixed import Load

RESTARTS = 20
CLIENTS = 6
SETTLE_SECONDS = 2.0
SEED = 18


def plan(restarts: int, seed: int = SEED) -> Iterator[str]:
    """What is restarted next: the services in an order of the seed, the gateway, and again."""
    rng = random.Random(seed)
    turns = (name for _ in itertools.count() for name in (*rng.sample(SERVICES, len(SERVICES)), "gateway"))
    return itertools.islice(turns, restarts)


async def roll(found: Fleet, load: Load, restarts: int, clients: int = CLIENTS) -> HandOvers:
    """Restart so many replicas under load: of a service the one whose relay leads, of the gateway each in turn."""
    doors = itertools.cycle(range(REPLICAS))
    async with HandOvers().watched(found.superuser("postgres")) as watch, load.running(clients):
        await asyncio.sleep(SETTLE_SECONDS)
        for name in plan(restarts):
            await found.roll(name, next(doors) if name == "gateway" else await found.leader(name))
        await asyncio.sleep(SETTLE_SECONDS)
    return watch


def alone() -> list[Report]:
    """Twenty restarts on engines of their own."""
    with tempfile.TemporaryDirectory(prefix="plantops-rolling-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        with grounds(folder / "plant") as (home, engines):

            async def work() -> list[Report]:
                async with fleet(home, engines) as found:
                    meter = Meter()
                    meter.begin()
                    load = Load(found.doors, found.token())
                    watch = await roll(found, load, RESTARTS)
                    others = meter.share()
                    return reports(found, load, watch, *await lost(found), others)

            return asyncio.run(work())


def reports(found: Fleet, load: Load, watch: HandOvers, told: int, missing: list[str], others: float) -> list[Report]:
    """What came of it, held against what must be."""

    def report(title: str, unit: str, must: float, figures: list[float]) -> Report:
        goal = Goal("OPS-18", title, unit, must=must, better="lower")
        return Report(goal, [Round(None, Turn(figure), others) for figure in figures])

    failed = report("failed requests", "", 0, [float(len(load.failures))])
    failed.more = {
        "restarts": len(found.drains),
        "requests": load.requests,
        **{f"answers {code}": count for code, count in sorted(load.codes.items())},
        "answers that closed their connection": load.closed,
        "longest answer s": load.longest,
    }
    for line in load.failures[:10]:
        print(f"failed: {line}")
    events = report("events lost", "", 0, [float(len(missing))])
    events.more = {"events followed": told}
    for line in missing[:10]:
        print(f"lost: {line}")
    hand_over = report("hand-over of a relay, longest", "s", 1, [max(watch.gaps, default=0.0)])
    hand_over.more = {"hand-overs": len(watch.gaps)}
    return [failed, events, hand_over, report("drain of a process, longest", "s", 42, [max(found.drains)])]
