"""`make faults`: hurt a plant as seeds say, and show that nothing is lost, doubled or left behind.

python -m tests.faults [--seeds n] [--seed s ...] [--mix F1,F3] [--seconds 10] [--exhaustive] [--no-planted]
"""

import argparse
import asyncio
import sys
import warnings
from collections.abc import Sequence

import structlog

from tests.faults import report, seed_run
from tests.faults.plan import plan
from tests.faults.plant import TIMERS, Ground, ground
from tests.faults.report import PlantedRow
from tests.faults.seed_run import Outcome


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("--seeds", type=int, default=20, help="how many runs, with the seeds 0, 1, ..")
    parser.add_argument("--seed", type=int, action="append", default=[], help="this seed alone; may be repeated")
    parser.add_argument("--mix", default="", help="kinds of faults instead of those of the seed, such as F1,F3")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the phase with faults")
    parser.add_argument("--exhaustive", action="store_true", help="each fault point with each kind of command, alone")
    parser.add_argument("--verbose", action="store_true", help="each fault, the slowest commands, answers INTERNAL")
    parser.add_argument("--no-planted", action="store_true", help="leave the planted bugs out")
    parser.add_argument("--only-planted", nargs="*", default=None, help="planted bugs alone, all or those named")
    parser.add_argument("--real-timers", action="store_true", help="the waits of production (30, 5, 20 s)")
    return parser.parse_args(given)


def say(text: str) -> None:
    """A line as soon as it is known."""
    print(text, flush=True)


async def main(given: argparse.Namespace) -> int:
    """Run what was asked for; 1 when anything was found."""
    outcomes: list[Outcome] = []
    planted: list[PlantedRow] = []
    more: dict[str, object] = {"timers": "production" if given.real_timers else dict(TIMERS)}
    async with ground(small_disks=True) as base:
        if given.exhaustive:
            from tests.faults import exhaustive

            more["exhaustive"] = await exhaustive.run(base, say)
        elif given.only_planted is None:
            outcomes = await _seeds(base, given)
        if not given.no_planted and not given.exhaustive:
            from tests.faults import planted_runs

            planted = await planted_runs.run(base, given.only_planted or [], say)
    figures = report.summary(outcomes, planted, more)
    print(report.table(figures))
    print(f"report       {report.write(figures)}")
    if planted:
        print(f"planted bugs caught {figures['planted bugs caught']}")
    good = all(outcome.good for outcome in outcomes) and all(row.caught for row in planted)
    return 0 if good and not more.get("exhaustive", {}).get("findings") else 1  # type: ignore[attr-defined]


async def _seeds(base: Ground, given: argparse.Namespace) -> list[Outcome]:
    outcomes: list[Outcome] = []
    mix = tuple(kind for kind in given.mix.split(",") if kind)
    for seed in given.seed or range(given.seeds):
        wanted = plan(seed, seconds=given.seconds, mix=mix)
        outcome = await seed_run.run(base, wanted, timers=None if given.real_timers else TIMERS)
        outcomes.append(outcome)
        print(report.line(outcome), flush=True)
        if given.verbose:
            for text in (*outcome.slowest, *outcome.internal[:5], *(str(row) for row in outcome.happened)):
                print(f"      {text}")
        if not outcome.good:
            for finding in outcome.findings[:20]:
                print(f"    {finding}")
            again = f"python -m tests.faults --no-planted --seed {seed}" + (f" --mix {given.mix}" if mix else "")
            print(f"    again: {again} --seconds {given.seconds:g}", flush=True)
    return outcomes


if __name__ == "__main__":
    warnings.simplefilter("ignore", ResourceWarning)
    structlog.configure(processors=[structlog.processors.JSONRenderer(default=str)],
                        logger_factory=structlog.ReturnLoggerFactory())  # fmt: skip
    sys.exit(asyncio.run(main(arguments())))
