"""Overload (P6): one service through the gateway at 2, 5 and 10 times what it can carry, then back to half.

The peak is what a closed loop reaches; it and each open-loop level take turns. A level holds when the good answers are
at least 80 % of the peak beside it, whatever else is answered is RESOURCE_EXHAUSTED, and 99 of 100 refusals come in
less than 100 ms. After the highest level, half the peak has to go through undisturbed within 30 s.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cli import databases
from cli.engines import free_port
from tests.load.bench_command import _prepared
from tests.load.measure import Goal, Meter, Report, Round, Turn, compare
from tests.load.stage import BOSS, EVERYTHING, Stage, child, service_process
from tests.signing import AUDIENCE, ISSUER

LEVELS = (2, 5, 10)
CALLERS = 24
ROUNDS, REPEATS = 2, 1
PEAK_SECONDS, LEVEL_SECONDS = 4.0, 5.0
CALM_SECONDS = 8.0
KINDS = {"change": "CreateReading", "read": "GetAsset"}


class Generator:
    """The load generator's process."""

    def __init__(self, process: asyncio.subprocess.Process, common: dict[str, Any]) -> None:
        self.process = process
        self.common = common
        self.sent = 0

    async def __call__(self, kind: dict[str, Any], **order: Any) -> dict[str, Any]:
        """Carry out an order; numbers of readings go on from the last one."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = json.dumps(self.common | kind | {"first": self.sent} | order)
        self.process.stdin.write(line.encode() + b"\n")
        answer = await self.process.stdout.readline()
        assert answer, "the load generator ended"
        found: dict[str, Any] = json.loads(answer)
        self.sent += found["sent"]
        return found


@asynccontextmanager
async def generator(**common: Any) -> AsyncIterator[Generator]:
    """A load generator, ended with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.load.arrivals", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Generator(process, common)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def gateway(found: Stage, service: str, port: int) -> AsyncIterator[int]:
    """The gateway's process before one service; its port."""
    own = free_port()
    settings = {
        "ENVIRONMENT": "test", "ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS": str(found.issuer.jwks),
        "LISTEN": f"127.0.0.1:{own}",
        **{name.upper(): f"127.0.0.1:{port if name == service else 1}" for name in databases.SERVICES},
        "PRINCIPALS": json.dumps({BOSS: EVERYTHING}),
    }  # fmt: skip
    process = child(found, "gateway", "gateway", {f"PLANTOPS_GATEWAY_{key}": value for key, value in settings.items()})
    process.start()
    try:
        for _ in range(600):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", own)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.05)
        yield own
    finally:
        process.send(15)  # type: ignore[arg-type]
        await asyncio.to_thread(process.wait, 20)
        process.close()


async def run(found: Stage) -> list[Report]:
    """Peak and levels for a change and for a read."""
    reports: list[Report] = []
    async with service_process(found, "maintenance") as (service, caller):
        asset, meters = await _prepared(caller)
        port = int(service.environment["PLANTOPS_LISTEN"].rpartition(":")[2])
        async with gateway(found, "maintenance", port) as door, generator(port=door, token=found.token()) as load:
            kinds: dict[str, dict[str, Any]] = {"change": {"meters": meters}, "read": {"path": f"/v1/{asset}"}}
            for name, kind in kinds.items():
                await load(kind, callers=CALLERS, seconds=2)  # warm
                reports += await _of_kind(KINDS[name], kind, load)
    return reports


async def _of_kind(title: str, kind: dict[str, Any], load: Generator) -> list[Report]:
    reports: list[Report] = []
    peak = 0.0
    for level in LEVELS:
        answers: list[dict[str, Any]] = []

        async def closed(number: int) -> Turn:
            nonlocal peak
            answer = await load(kind, callers=CALLERS, seconds=PEAK_SECONDS)
            peak = answer["goodput"]
            return Turn(peak, operations=answer["sent"])

        async def opened(number: int, level: int = level, answers: list[dict[str, Any]] = answers) -> Turn:
            answer = await load(kind, rate=level * peak, seconds=LEVEL_SECONDS)
            answers.append(answer)
            return Turn(answer["goodput"], operations=answer["sent"])

        if not peak:
            await closed(0)
        goal = Goal("P6", f"{title}, {level}x: good answers of the peak", "answers/s", must=0.8)
        report = await compare(goal, opened, closed, rounds=ROUNDS, repeats=REPEATS)
        _beside(report, answers)
        reports += [report, *_judged(f"{title}, {level}x", answers, report)]
    watch = Meter()
    watch.begin()
    calm = await load(kind, rate=peak / 2, seconds=CALM_SECONDS)
    goal = Goal("P6", f"{title}, 0.5x: time to recover", "s", must=30, better="lower")
    settled = calm["last_trouble"] if calm["last_trouble"] < CALM_SECONDS - 1 else float("inf")
    recovery = Report(goal, [Round(None, Turn(settled, operations=calm["sent"]), watch.share())])
    _beside(recovery, [calm])
    return [*reports, recovery]


def _beside(report: Report, answers: list[dict[str, Any]]) -> None:
    """Times and codes of all rounds beside the figure; of the times the worst."""
    for key in ("good_p50", "good_p99", "refused_p50", "refused_p99"):
        report.more[f"{key} ms"] = max(answer[key] for answer in answers)
    for answer in answers:
        for code, count in answer["codes"].items():
            name = f"answers {code}" if code != "0" else "connections lost"
            report.more[name] = report.more.get(name, 0) + count
    seconds = len(answers) * LEVEL_SECONDS * (os.cpu_count() or 1)
    report.more["generator's share of the CPU"] = sum(answer["cpu"] for answer in answers) / seconds


def _judged(title: str, answers: list[dict[str, Any]], shares: Report) -> list[Report]:
    """Beside the share of the peak: how soon a refusal comes, and what is neither an answer nor a refusal."""

    def report(goal: Goal, figures: list[float]) -> Report:
        return Report(goal, [Round(None, Turn(figure), shares.rounds[-1].others) for figure in figures])

    soon = Goal("P6", f"{title}: a refusal, p99", "ms", must=100, better="lower")
    others = Goal("P6", f"{title}: neither answered nor refused", "", must=0, better="lower")
    failed = [
        answer["unanswered"] + sum(count for code, count in answer["codes"].items() if code not in ("200", "429"))
        for answer in answers
    ]
    return [report(soon, [answer["refused_p99"] for answer in answers]), report(others, [float(max(failed))])]
