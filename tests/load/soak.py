"""`make soak`: random documents from many callers over two processes of materials, for SECONDS=300.

It ends with 1 unless nothing failed but refusals with a reason, no deadlock was met, the ledger proves itself, and no
process holds more memory in the end than it did after a fifth of the time.
"""

import asyncio
import json
import os
import random
import signal
import statistics
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import structlog
from plantops.materials.v1 import movements_pb2

from services.chassis import bus
from services.chassis.outbox import OutboxRow
from tests.load import store
from tests.load.documents import ADA, TINA, Documents
from tests.load.measure import BUILD
from tests.load.stage import BOSS, EVERYTHING, Caller, Stage, service_process, stage

CALLERS, PROCESSES = 64, 2
GROWTH = 1.1
PEOPLE = (BOSS, TINA, ADA)
ROLES = {"-": [*EVERYTHING["-"], "approver"]}


@dataclass(slots=True)
class Outcome:
    """What a soak found."""

    seconds: float
    done: Counter[str]
    refused: Counter[str]
    failed: list[str]
    findings: list[str]
    movements: int
    deadlocks: int
    memory: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Process -> resident MiB after a fifth of the time, and in the last fifth."""

    @property
    def wrong(self) -> list[str]:
        """What does not hold."""
        found = [f"failed: {text}" for text in self.failed[:20]]
        found += [f"ledger: {text}" for text in self.findings]
        found += [f"{self.deadlocks} deadlocks"] if self.deadlocks else []
        for name, (early, late) in self.memory.items():
            if late > GROWTH * early:
                found.append(f"{name} grew from {early:.0f} to {late:.0f} MiB")
        return found

    def table(self) -> str:
        """As people read it."""
        lines = [f"{self.seconds:.0f} s, {CALLERS} callers, {PROCESSES} processes, {self.movements} movements"]
        lines += [f"  {count:>7} {kind}" for kind, count in self.done.most_common()]
        lines += [f"  {count:>7} refused, {why}" for why, count in self.refused.most_common()]
        lines += [f"  {name}: {early:.0f} MiB, then {late:.0f} MiB" for name, (early, late) in self.memory.items()]
        return "\n".join([*lines, f"  {self.deadlocks} deadlocks, {len(self.findings)} differences in the ledger"])


def resident(pid: int) -> float:
    """Resident memory of a process in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def soak(found: Stage, seconds: float, seed: int) -> Outcome:
    """Let all callers work for so long, wait until events have arrived, and look."""
    connection = await asyncpg.connect(found.superuser("materials"))
    await store.build(connection)
    parts = await store.items(connection, "part", 30, much=200)
    lots = await store.items(connection, "lotted", 10, tracking="LOT", much=200)
    tools = await store.items(connection, "tool", 5, tracking="SERIAL")
    await store.expect(connection, [*parts, *lots, *tools])
    await connection.execute("analyze")
    nc = await bus.connect(found.engines.nats_url, "soak@0", wait=10)
    settings = {
        "PRINCIPALS": json.dumps(dict.fromkeys(PEOPLE, ROLES)), "MAX_CONCURRENT_CALLS": "96", "POOL_SIZE": "32",
        "COMPANY_PREFIX": "0614141",
    }  # fmt: skip
    memory: dict[str, list[tuple[float, float]]] = {}

    async def publish(row: OutboxRow) -> None:
        payload = row.event.SerializeToString(deterministic=True)
        await nc.jetstream().publish(row.subject("maintenance"), payload, headers=row.headers("maintenance"))

    async with AsyncExitStack() as stack:
        pids: dict[str, int] = {}
        callers: dict[str, list[Caller]] = {who: [] for who in PEOPLE}
        for number in range(PROCESSES):
            name = f"materials-{number}"
            child, caller = await stack.enter_async_context(service_process(found, "materials", name, **settings))
            await caller.channel.close()
            pids[name] = child.pid
            for who, known in callers.items():
                known.append(Caller(caller.port, "plantops.materials.v1", found.token(ROLES, who)))
                stack.push_async_callback(known[-1].channel.close)
        at = Documents(callers, publish, parts, lots, tools, random.Random(seed))
        await at.prepare()
        before = await _deadlocks(connection)
        began = time.monotonic()

        async def watch() -> None:
            while time.monotonic() < began + seconds:
                for name, pid in pids.items():
                    memory.setdefault(name, []).append((time.monotonic() - began, resident(pid)))
                await asyncio.sleep(min(1.0, seconds / 50))

        working = [at.work(lambda: time.monotonic() > began + seconds) for _ in range(CALLERS)]
        await asyncio.gather(watch(), *working)
        took = time.monotonic() - began
        await _settled(connection, nc)
        checked = await callers[BOSS][0](movements_pb2.CheckLedgerRequest(name=f"sites/{store.SITE}"))
        deadlocks = await _deadlocks(connection) - before
    await nc.close()
    await connection.close()
    grown = {
        name: (
            statistics.median(size for when, size in samples if 0.2 * seconds <= when < 0.4 * seconds),
            statistics.median(size for when, size in samples if when >= 0.8 * seconds),
        )
        for name, samples in memory.items()
    }
    return Outcome(
        took, at.done, at.refused, at.failed, list(checked.findings), checked.movement_count, deadlocks, grown
    )


async def _deadlocks(connection: Any) -> int:
    await connection.execute("select pg_stat_clear_snapshot()")
    return int(await connection.fetchval("select sum(deadlocks) from pg_stat_database"))


async def _settled(connection: Any, nc: Any, seconds: float = 60) -> None:
    """Until materials has all of the events that maintenance told."""
    names = bus.durables("materials", "maintenance")
    until = time.monotonic() + seconds
    while True:
        waiting = [await bus.backlog_of(nc, bus.stream_of("maintenance"), name) for name in names]
        if all(one == (0, 0) for one in waiting):
            return
        assert time.monotonic() < until, f"events are still on their way: {waiting}"
        await asyncio.sleep(0.2)


def main() -> int:
    """SECONDS=300 SEED=... python -m tests.load.soak"""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    seconds = float(os.environ.get("SECONDS", "300"))
    seed = int(os.environ.get("SEED", str(random.SystemRandom().randrange(1 << 30))))
    print(f"seed {seed}", flush=True)
    with stage() as found:
        outcome = asyncio.run(soak(found, seconds, seed))
    print(outcome.table())
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "soak.json").write_text(
        json.dumps(
            {
                "seconds": outcome.seconds, "seed": seed, "done": outcome.done, "refused": outcome.refused,
                "movements": outcome.movements, "deadlocks": outcome.deadlocks, "memory": outcome.memory,
                "wrong": outcome.wrong,
            },
            indent=2,
        )
        + "\n"
    )  # fmt: skip
    for text in outcome.wrong:
        print(f"NO: {text}")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
