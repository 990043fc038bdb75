"""Does to a plant what a plan says, and measures how long it took to stand again."""

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from nats.errors import Error as NatsError
from plantops.materials.v1 import movements_pb2

from cli.engines import EngineFailed
from services.chassis import bus, clock
from tests.faults.commands import Caller, Refused
from tests.faults.plan import Fault
from tests.faults.plant import Plant

RECOVERY_SECONDS = 120.0


@dataclass
class Happened:
    """One fault that was injected: how long until everything was ready again, or why it could not be done."""

    fault: Fault
    recovered: float = 0.0
    not_run: str = ""
    note: str = ""


@dataclass
class Injector:
    """Injects faults into one plant."""

    plant: Plant
    caller: Caller
    chance: random.Random
    happened: list[Happened] = field(default_factory=list)
    engines: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One fault of an engine at a time."""

    async def run(self, faults: tuple[Fault, ...]) -> None:
        """Inject each fault at its time; returns when all have passed."""
        begin = time.monotonic()

        async def one(fault: Fault) -> None:
            await asyncio.sleep(max(0.0, begin + fault.at - time.monotonic()))
            await self.inject(fault)

        async with asyncio.TaskGroup() as group:
            for fault in faults:
                group.create_task(one(fault))

    async def inject(self, fault: Fault) -> Happened:
        """Inject one fault and wait until the plant stands again."""
        row = Happened(fault)
        self.happened.append(row)
        what: Callable[[Fault, Happened], Awaitable[float]] = getattr(self, f"_{fault.kind.lower()}")
        began = clock.utc_now()  # one machine: the databases' clock is this one
        begin = await what(fault, row)
        if not row.not_run:
            await self.plant.ready(RECOVERY_SECONDS)
            await self._flows(began)
            row.recovered = time.monotonic() - begin
        return row

    async def _flows(self, since: datetime) -> None:
        """Wait until every event that was told before the fault has been published."""
        query = (
            "select count(*) from outbox where recorded_at < %s "
            "and xid >= (select stored from relay_position where shard = 0)"
        )
        until = time.monotonic() + RECOVERY_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(psycopg.OperationalError):
                left = [await asyncio.to_thread(self.plant.value, s, query, since) for s in self.plant.database]
                if not any(left):
                    return
            await asyncio.sleep(0.1)

    # --- processes ------------------------------------------------------------------------------------------

    async def _f1(self, fault: Fault, row: Happened) -> float:
        """kill -9."""
        return await self._kill(fault.target)

    async def _kill(self, name: str) -> float:
        worker = self.plant.supervisor[name]
        worker.send(signal.SIGCONT)
        begin = time.monotonic()
        pid = worker.pid
        worker.send(signal.SIGKILL)
        while worker.pid == pid and not worker.held:  # until the supervisor has started it again
            await asyncio.sleep(0.01)
        return begin

    async def _f2(self, fault: Fault, row: Happened) -> float:
        """The process is started with a fault armed and ends by itself at the point, if it comes there."""
        worker = self.plant.supervisor[fault.target]
        worker.fault = fault.what
        await self._kill(fault.target)
        deaths, until = worker.deaths, time.monotonic() + 5
        while worker.deaths == deaths and time.monotonic() < until:
            await asyncio.sleep(0.02)
        row.note = "reached" if worker.deaths > deaths else "not reached"
        return time.monotonic()

    async def _f7(self, fault: Fault, row: Happened) -> float:
        """A replica that leads the relay, or one that does not, is frozen; the other one takes over."""
        service = fault.target
        leader = await self._leader(service)
        mine = [name for name in self.plant.replicas if name.partition("-")[0] == service]
        others = [name for name in mine if name != leader]
        name = leader if "leader" in fault.what else (others or mine)[0]
        worker, begin = self.plant.supervisor[name], time.monotonic()
        worker.send(signal.SIGSTOP)
        taken = 0.0
        while time.monotonic() < begin + fault.seconds:
            await asyncio.sleep(0.1)
            if not taken and name == leader and await self._leader(service) not in ("", leader):
                taken = time.monotonic() - begin
        worker.send(signal.SIGCONT)
        if name == leader:
            row.note = f"taken over after {taken:.1f} s" if taken else "not taken over"
        return time.monotonic()

    async def _leader(self, service: str) -> str:
        """The replica that beats last as leader of the relay."""
        with contextlib.suppress(Exception):
            pod = await asyncio.to_thread(self.plant.value, service, "select pod from relay_lease where shard = 0")
            pid = int(str(pod).rpartition(":")[2])
            return next((name for name in self.plant.replicas if self.plant.supervisor[name].pid == pid), "")
        return ""

    async def _f11(self, fault: Fault, row: Happened) -> float:
        """A service's clock is wrong for a while."""
        worker = self.plant.supervisor[fault.target]
        worker.clock = float(fault.what)
        await self._kill(fault.target)
        await asyncio.sleep(fault.seconds)
        worker.clock = 0.0
        return await self._kill(fault.target)

    # --- engines --------------------------------------------------------------------------------------------

    async def _f3(self, fault: Fault, row: Happened) -> float:
        """The broker is killed, or frozen."""
        async with self.engines:
            if fault.what == "kill":
                begin = time.monotonic()
                await self._nats_down(signal.SIGKILL)
                await asyncio.to_thread(self.plant.ground.nats.revive)
                return begin
            await _frozen(self.plant.ground.nats.pid, fault.seconds)
            return time.monotonic()

    async def _nats_down(self, number: signal.Signals) -> None:
        await asyncio.to_thread(self.plant.ground.nats._server.stop, number)  # type: ignore[union-attr]

    async def _f4(self, fault: Fault, row: Happened) -> float:
        """The broker's store is wiped while it is down; streams are declared anew; the relays fill them again."""
        async with self.engines:
            begin = time.monotonic()
            await self._nats_down(signal.SIGKILL)
            shutil.rmtree(self.plant.ground.nats.folder / "jetstream", ignore_errors=True)
            await asyncio.to_thread(self.plant.ground.nats.revive)
            await self.declare()
            return begin

    async def declare(self) -> None:
        """What `plantops nats apply` does, until the broker has done it."""
        until = time.monotonic() + 30
        while True:
            try:
                await self.plant.apply_streams()
                return
            except (NatsError, TimeoutError, RuntimeError):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.2)

    async def _f5(self, fault: Fault, row: Happened) -> float:
        """A backend is killed (the postmaster then restarts all), the postmaster, or stopped at once."""
        async with self.engines:
            begin = time.monotonic()
            if fault.what == "kill backend":
                name = self.plant.database[fault.target]
                query = (
                    "select pid from pg_stat_activity where datname = %s and usename like '%%_app' order by random()"
                )
                with contextlib.suppress(Exception):
                    pid = await asyncio.to_thread(self.plant.value, fault.target, query, name)
                    if pid:
                        os.kill(int(pid), signal.SIGKILL)
                        return begin
                row.not_run = "no session to kill"
                return begin
            number = signal.SIGKILL if fault.what == "kill" else signal.SIGQUIT
            await asyncio.to_thread(self.plant.ground.postgres._server.stop, number)  # type: ignore[union-attr]
            await self._revive_postgres()
            return begin

    async def _revive_postgres(self) -> None:
        until = time.monotonic() + 60
        while True:
            try:
                await asyncio.to_thread(self.plant.ground.postgres.revive)
                return
            except EngineFailed:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.3)

    async def _f10(self, fault: Fault, row: Happened) -> float:
        """The disk of an engine is filled up, then freed; the engine is restarted, as the runbook says."""
        disk = self.plant.ground.disks.get(fault.target)
        if disk is None:
            row.not_run = "small disks take root and the right to mount"
            return time.monotonic()
        async with self.engines:
            filler = disk / "filler"
            await asyncio.to_thread(_fill, filler)
            await asyncio.sleep(fault.seconds)
            filler.unlink()
            if fault.target == "nats":
                await self._nats_down(signal.SIGTERM)
                await asyncio.to_thread(self.plant.ground.nats.revive)
            elif not self.plant.ground.postgres.alive:
                row.note = "PostgreSQL had ended"
                await asyncio.to_thread(self.plant.ground.postgres._server.stop, signal.SIGQUIT)  # type: ignore[union-attr]
                await self._revive_postgres()
            return time.monotonic()

    async def _f16(self, fault: Fault, row: Happened) -> float:
        """One bit of a stream's block file is turned while the broker is down."""
        async with self.engines:
            begin = time.monotonic()
            await self._nats_down(signal.SIGTERM)
            blocks = sorted(
                path for path in (self.plant.ground.nats.folder / "jetstream").rglob("*.blk")
                if path.stat().st_size > 100 and "ADVISORIES" not in path.parts
            )  # fmt: skip
            if blocks:
                block = self.chance.choice(blocks)
                content = bytearray(block.read_bytes())
                place = self.chance.randrange(len(content) // 2, len(content))
                content[place] ^= 1 << self.chance.randrange(8)
                block.write_bytes(bytes(content))
                row.note = f"bit of byte {place} in a block of {block.parts[-3]}"
            else:
                row.not_run = "no block file"
            await asyncio.to_thread(self.plant.ground.nats.revive)
            await self.declare()
            return begin

    # --- connections ----------------------------------------------------------------------------------------

    async def _f6(self, fault: Fault, row: Happened) -> float:
        """The connection of the next COMMIT is cut, before it arrives or when its answer comes back."""
        edge = self.plant.edges[f"{fault.target}-database"]
        cuts, until = edge.cuts, time.monotonic() + 5
        edge.break_commits(fault.what)
        while edge.cuts == cuts and time.monotonic() < until:
            await asyncio.sleep(0.01)
        row.note = "cut" if edge.cuts > cuts else "no commit came"
        return time.monotonic()

    async def _f8(self, fault: Fault, row: Happened) -> float:
        """An edge is slow, narrow, reset or silent."""
        edge = self.plant.edges[fault.target]
        what, _, value = fault.what.partition(" ")
        if what == "latency":
            edge.latency = float(value)
        elif what == "rate":
            edge.rate = float(value)
        elif what == "reset":
            edge.cut()
        elif what == "swallow":
            edge.swallow()
        await asyncio.sleep(fault.seconds)
        edge.heal()
        return time.monotonic()

    # --- deliveries -----------------------------------------------------------------------------------------

    async def _f9(self, fault: Fault, row: Happened) -> float:
        """Events come again, late, or in another order than they were told."""
        begin = time.monotonic()
        if fault.what == "reorder":
            row.note = await self._overtake(fault.target)
            return begin
        order = {"double": "pos desc limit 50", "delay": "pos limit 50", "replay": "pos"}[fault.what]
        query = f"select subject, payload, headers from outbox order by {order}"  # noqa: S608
        with contextlib.suppress(Exception):
            rows = await asyncio.to_thread(self.plant.rows, fault.target, query)
            row.note = f"{await self.publish(fault.target, rows)} events"
            return begin
        row.not_run = "database or broker were away"
        return begin

    async def publish(self, service: str, rows: Any) -> int:
        """Publish events of an outbox under message ids of their own; how many the broker took."""
        stream, taken = bus.stream_of(service), 0
        for subject, payload, headers in rows:
            headers = headers if isinstance(headers, dict) else json.loads(headers)
            own = {**headers, "Nats-Msg-Id": f"{headers['ce-id']}/harness-{uuid4()}", "Nats-Expected-Stream": stream}
            await self.plant.nc.request(subject, bytes(payload), timeout=2, headers=own)
            taken += 1
        return taken

    async def _overtake(self, service: str) -> str:
        """Hold the relay up before it publishes, and publish what it would publish in a random order."""
        worker = self.plant.supervisor[service]
        worker.fault = "relay.before_publish:1:delay=2.5"
        await self._kill(service)
        query = (
            "select subject, payload, headers from outbox "
            "where xid >= (select stored from relay_position where shard = 0) order by pos desc limit 200"
        )
        until = time.monotonic() + 6
        while not await asyncio.to_thread(self.plant.rows, service, query):
            if time.monotonic() > until:
                return "no event came"
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)
        rows = await asyncio.to_thread(self.plant.rows, service, query)
        self.chance.shuffle(rows)
        return f"{await self.publish(service, rows)} events"

    async def _f13(self, fault: Fault, row: Happened) -> float:
        """An event that nobody can read, and a command that nobody can carry out."""
        begin = time.monotonic()
        consumers = [
            (service, sorted(sources[fault.target]))
            for service, sources in bus.received().items()
            if fault.target in sources
        ]
        if consumers:
            kind = self.chance.choice(consumers[0][1])
            with contextlib.suppress(NatsError, TimeoutError):
                await self._poison(fault.target, kind)
                self.plant.poisoned += sum(kind in kinds for _, kinds in consumers)
        bad = movements_pb2.CreateMovementRequest(parent="sites/nowhere", movement=movements_pb2.Movement(kind="MOVE"))
        with contextlib.suppress(Refused):
            await self.caller.do("sam", bad)
            row.note = "a command without item was accepted"
        return begin

    async def _poison(self, service: str, kind: str) -> None:
        id_ = str(clock.uuid7())  # an id of today, so that it is poison and not merely too old
        aggregate = f"sites/nowhere/poison/{id_[-8:]}"
        headers = {
            "Nats-Msg-Id": id_, "ce-specversion": "1.0", "ce-id": id_, "ce-type": f"plantops.{service}.v1.{kind}",
            "ce-source": f"/plantops/{service}", "ce-time": "2026-01-01T00:00:00Z", "ce-subject": aggregate,
            "plantops-aggregate": aggregate, "plantops-version": "1", "plantops-site": "nowhere",
            "plantops-correlation": aggregate, "plantops-actor": "people/nobody",
        }  # fmt: skip
        self.plant.poison.add(id_)
        subject = f"plantops.{service}.v1.{kind}.nowhere.poison"
        await self.plant.nc.request(subject, b"\xff\xff\xff", timeout=2, headers=headers)


async def _frozen(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def _fill(filler: Path) -> None:
    """Take what is left of a disk."""
    info = os.statvfs(filler.parent)
    with filler.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(1, info.f_bavail * info.f_frsize - 4096))
        with contextlib.suppress(OSError):
            while file.write(b"\0" * 4096):
                pass
