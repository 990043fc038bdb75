"""One run: warm-up, safety (with faults), liveness (without), check. One seed = one run = one line of the report."""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig

from cli.check import request_of
from services.chassis import bus
from tests.faults import checkers, state
from tests.faults.checkers import Books
from tests.faults.child import COUNTED
from tests.faults.commands import UNKNOWN, Caller, Command, Refused, Unanswered, counted
from tests.faults.injector import Happened, Injector
from tests.faults.plan import Plan
from tests.faults.plant import TIMERS, Ground, Plant, crowd, plant
from tests.faults.stories import Stage

REST_SECONDS = 60.0
"""T: within this time after the last fault everything must be at rest (P4), on a machine that is ours."""
CHEAP_SECONDS = 5.0


def rest_seconds() -> float:
    """T, and more of it on a machine whose cores are shared with so many others that a second is none."""
    return REST_SECONDS * crowd()


@dataclass
class Outcome:
    """What one run showed."""

    plan: Plan
    findings: list[str] = field(default_factory=list)
    commands: Mapping[str, int] = field(default_factory=dict)
    happened: list[Happened] = field(default_factory=list)
    absorbed: Mapping[str, int] = field(default_factory=dict)
    unavailable: float = 0.0
    """Longest time that a command took from its first attempt to its answer."""
    outbox_age: float = 0.0
    converged: float = 0.0
    """Seconds from the end of the last fault until everything was at rest."""
    seconds: float = 0.0
    cheap_checks: int = 0
    stories: Mapping[str, int] = field(default_factory=dict)
    internal: list[str] = field(default_factory=list)
    """Answers INTERNAL, which no fault of the surroundings should lead to."""
    slowest: list[str] = field(default_factory=list)
    """The commands that took longest, with what they were answered meanwhile."""

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


async def run(base: Ground, wanted: Plan, *, timers: Mapping[str, float] | None = TIMERS) -> Outcome:
    """Carry out a plan on a fresh plant."""
    outcome = Outcome(wanted)
    begin = time.monotonic()
    chance = random.Random(f"harness {wanted.seed}")
    try:
        async with (
            plant(base, replicas=wanted.replicas, timers=timers) as made,
            Caller(made, chance, patience=rest_seconds(), gateway_share=0.3, duplicate_share=0.15) as caller,
        ):
            await Run(made, caller, wanted, outcome, chance).run()
    except Exception as error:
        outcome.findings.append(f"the run broke off: {error!r}")
        if isinstance(error, ExceptionGroup):
            outcome.findings += [repr(one) for one in error.exceptions]
    outcome.seconds = time.monotonic() - begin
    return outcome


@dataclass
class Run:
    """A plan on its way."""

    plant: Plant
    caller: Caller
    plan: Plan
    outcome: Outcome
    chance: random.Random

    async def run(self) -> None:
        """All phases."""
        stage = Stage(self.caller, self.plan, f"s{self.plan.seed}")
        await stage.set_up()
        injector = Injector(self.plant, self.caller, self.chance)
        self.outcome.happened = injector.happened
        watching = asyncio.create_task(self._watch())
        telling = asyncio.create_task(stage.tell(self.plan.stories))
        try:
            await asyncio.sleep(1.5)  # the warm-up of the plan
            await injector.run(self.plan.faults)
            ended = time.monotonic()
            for edge in self.plant.edges.values():
                edge.heal()
            await self.plant.ready()
            await self._live(telling, ended)
        finally:
            watching.cancel()
            telling.cancel()
            await asyncio.gather(watching, telling, return_exceptions=True)
        await self._check(injector)
        self._count(stage)

    # --- liveness -------------------------------------------------------------------------------------------

    async def _live(self, telling: asyncio.Task[None], ended: float) -> None:
        """Every story comes to its end, every command to its answer, every event to its consumer."""
        limit = rest_seconds()
        try:
            async with asyncio.timeout(limit):
                await asyncio.shield(telling)
                for command in self.caller.commands:
                    if command.outcome == UNKNOWN:
                        with contextlib.suppress(Refused, Unanswered):
                            await self.caller.finish(command)
                while await self.moving():
                    await asyncio.sleep(0.1)
        except TimeoutError:
            still = [*await self.moving(), *sorted(self.caller.awaited)]
            telling.cancel()
            self.outcome.findings.append(f"liveness: not at rest {limit:.0f} s after the last fault: {still}")
        self.outcome.converged = time.monotonic() - ended
        self.outcome.findings += [
            f"I3 {command.kind} {command.id} is still unknown ({command.code})"
            for command in self.caller.commands
            if command.outcome == UNKNOWN
        ]

    async def moving(self) -> list[str]:
        """What is still on its way."""
        return await moving(self.plant)

    # --- safety ---------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """The cheap checkers every few seconds, the age of the outboxes every second; a database may be away."""
        asked = time.monotonic()
        while True:
            await asyncio.sleep(1)
            with contextlib.suppress(Exception):
                self.outcome.outbox_age = max(self.outcome.outbox_age, await asyncio.to_thread(self._oldest))
            if time.monotonic() - asked < CHEAP_SECONDS:
                continue
            asked = time.monotonic()
            try:
                found = await asyncio.to_thread(self._cheap)
            except Exception:  # a fault of the database; the next round asks again
                continue
            self.outcome.cheap_checks += 1
            self.outcome.findings += [f"while faults happened: {text}" for text in found]

    def _oldest(self) -> float:
        ages = [
            self.plant.value(
                service,
                "select coalesce(extract(epoch from now() - min(recorded_at)), 0) from outbox "
                "where xid >= (select stored from relay_position where shard = 0)",
            )
            for service in self.plant.database
        ]
        return float(max(ages))

    def _cheap(self) -> list[str]:
        with books(self.plant) as found:
            return [text for texts in checkers.run(found, checkers.CHEAP).values() for text in texts]

    # --- check ----------------------------------------------------------------------------------------------

    async def _check(self, injector: Injector) -> None:
        told = await told_events(self.plant)
        again = await self.tell_again(told) if "F16" in self.plan.mix else frozenset()
        self.outcome.findings += await asyncio.to_thread(self._all, told, again)
        before = await asyncio.to_thread(self._state)
        places = asyncio.Semaphore(8)

        async def again(command: Command) -> None:
            async with places:
                await self.caller.repeat(command)

        await asyncio.gather(*(again(command) for command in self.caller.commands))  # the same answers, no effect (P2)
        if "F9" in self.plan.mix:
            for service in self.plant.database:
                rows = await asyncio.to_thread(
                    self.plant.rows, service, "select subject, payload, headers from outbox order by random()"
                )
                await injector.publish(service, rows)
        until = time.monotonic() + rest_seconds()
        while await self.moving() and time.monotonic() < until:
            await asyncio.sleep(0.1)
        after = await asyncio.to_thread(self._state)
        self.outcome.findings += state.changed(before, after)
        self.outcome.findings += [f"I3 {text}" for text in self.caller.differing]
        self.outcome.findings += [f"a process ended by itself: {text}" for text in self.plant.supervisor.refused]

    async def tell_again(self, told: Mapping[str, Sequence[tuple[str, str, int]]]) -> frozenset[str]:
        """A broker that is started with a flipped bit may keep quiet about the event that it cannot read any more.

        Who follows has it; the stream gets it again on request (REL-90). Gives the ids.
        """
        lacking: set[str] = set()
        for service, rows in told.items():
            there = {event_id for event_id, _, _ in rows}
            outbox = await asyncio.to_thread(self.plant.rows, service, "select event_id::text, pos from outbox")
            positions = {event_id: pos for event_id, pos in outbox if event_id not in there}
            if positions:
                why = "the broker cannot read them any more"
                await self.caller.do(
                    "opal", request_of(service, "Replay{}Events", positions=sorted(positions.values()), reason=why)
                )
            lacking |= positions.keys()
        found: set[str] = set()
        until = time.monotonic() + rest_seconds()
        while not lacking <= found and time.monotonic() < until:
            await asyncio.sleep(0.1)
            found = {row[0] for rows in (await told_events(self.plant)).values() for row in rows}
        return frozenset(lacking & found)

    def _all(self, told: Mapping[str, Sequence[tuple[str, str, int]]], again: frozenset[str]) -> list[str]:
        with books(self.plant, self.caller, told, again) as found:
            findings = [text for texts in checkers.run(found).values() for text in texts]
            stand, anew = state.rebuilt(found.connections["materials"])
            if stand != anew:
                findings.append("I10 the balances are not what the ledger makes of them")
            letters = sum(
                1
                for service in found.connections
                for (id_,) in found.rows(service, "select event_id from dead_letter")
                if str(id_) in self.plant.poison
            )
            if letters != self.plant.poisoned:
                findings.append(f"F13: {letters} dead letters of poison, {self.plant.poisoned} expected")
            return findings

    def _state(self) -> dict[str, str]:
        with books(self.plant) as found:
            return state.state(found.connections)

    def _count(self, stage: Stage) -> None:
        outcome = self.outcome
        outcome.commands = counted(self.caller.commands)
        outcome.unavailable = max((command.waited for command in self.caller.commands), default=0.0)
        logs = [worker.log.read_text(errors="replace") for worker in self.plant.supervisor.workers]
        broker, inbox = (sum(log.count(f"counted {name}") for log in logs) for name in COUNTED)
        replays = sum(command.replayed for command in self.caller.commands)
        outcome.absorbed = {"broker": broker, "inbox": inbox, "idempotency": replays}
        stories: dict[str, int] = {}
        for ended in stage.ended:
            stories[ended.how] = stories.get(ended.how, 0) + 1
            if ended.how == "unanswered":
                outcome.findings.append(f"story {ended.story.number} {ended.story.kind}: {ended.why}")
        outcome.stories = stories
        outcome.internal = list(self.caller.internal)
        slow = sorted(self.caller.commands, key=lambda command: command.waited, reverse=True)[:3]
        outcome.slowest = [f"{c.kind} {c.waited:.1f} s: {'; '.join(c.refusals)[:600]}" for c in slow]


@contextlib.contextmanager
def books(
    made: Plant,
    caller: Caller | None = None,
    told: Mapping[str, Sequence[tuple[str, str, int]]] | None = None,
    again: frozenset[str] = frozenset(),
) -> Iterator[Books]:
    """The databases of a plant, opened for the checkers."""
    with contextlib.ExitStack() as stack:
        connections = {
            service: stack.enter_context(made.ground.superuser(name)) for service, name in made.database.items()
        }
        commands = list(caller.commands) if caller is not None else []
        passed = passed_over(made) if told is not None else []
        yield Books(connections, commands, told=told or {}, again=again, poison=frozenset(made.poison), stale=passed)


def passed_over(made: Plant) -> list[str]:
    """Events that a consumer never applied nor put aside because a later version stood there already."""
    fates: dict[tuple[str, str], set[str]] = {}
    for worker in made.supervisor.workers:
        service = worker.name.partition("-")[0]
        for line in worker.log.read_text(errors="replace").splitlines():
            if '"outcome"' in line:
                with contextlib.suppress(ValueError):
                    said = json.loads(line)
                    key = service, str(said["event_id"])
                    fates.setdefault(key, set()).add(said["outcome"])
    gone = {"stale", "known"}
    return [f"{name}: event {id_}" for (name, id_), fate in sorted(fates.items()) if "stale" in fate and fate <= gone]


async def moving(made: Plant) -> list[str]:
    """What is still on its way between the services of a plant, [] when all is at rest."""
    found: list[str] = []
    try:
        for service in made.database:
            unpublished, waiting, asked = (
                await asyncio.to_thread(
                    made.rows,
                    service,
                    "select (select count(*) from outbox where xid >= "
                    "(select stored from relay_position where shard = 0)),"
                    " (select count(*) from waiting_event),"
                    " (select count(*) from replay_request where finished_at is null)",
                )
            )[0]
            found += [f"{service}: {unpublished} events not published"] if unpublished else []
            found += [f"{service}: {waiting} events wait"] if waiting else []
            found += [f"{service}: {asked} replays under way"] if asked else []
        for stream, consumer in bus.wanted_consumers():
            backlog = await bus.backlog_of(made.nc, stream, consumer)
            if backlog is None:
                found.append(f"{consumer}: the broker does not answer")
            elif any(backlog):
                found.append(f"{consumer}: {backlog[0]} not delivered, {backlog[1]} not acknowledged")
    except Exception as error:
        found.append(repr(error))
    return found


async def told_events(made: Plant) -> dict[str, list[tuple[str, str, int]]]:
    """Every event in the streams, in the order of the stream: id, aggregate, version."""
    found: dict[str, list[tuple[str, str, int]]] = {}
    js = made.nc.jetstream()
    for service in made.database:
        stream = bus.stream_of(service)
        rows: list[tuple[str, str, int]] = []
        config = ConsumerConfig(ack_policy=AckPolicy.NONE, headers_only=True, inactive_threshold=30)
        pull = await js.pull_subscribe("", stream=stream, config=config)
        total = (await js.stream_info(stream)).state.messages
        while len(rows) < total:
            try:
                batch = await pull.fetch(500, timeout=3)
            except (TimeoutError, NatsError):
                break
            for message in batch:
                headers: Any = message.headers or {}
                mine = "/harness-" in headers.get("Nats-Msg-Id", "")
                rows.append(
                    ("", "", 0)
                    if mine  # what the harness published again is no publication of the relay
                    else (headers.get("ce-id", ""), headers.get("plantops-aggregate", ""),
                          int(headers.get("plantops-version", 0)))
                )  # fmt: skip
        await pull.unsubscribe()
        found[service] = [row for row in rows if row[0]]
    return found
