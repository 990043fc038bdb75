"""Rules removed on purpose, one at a time, each in a run that bites: the checkers must notice it (6.4 of the design).

Every scene is played once without a bug too, and must then be clean: else what it finds would prove nothing.
"""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as DecimalText
from plantops.maintenance.v1 import meters_pb2, work_orders_pb2
from plantops.materials.v1 import reservations_pb2

from tests.faults import checkers, seed_run
from tests.faults.commands import UNKNOWN, Caller, Refused, Unanswered
from tests.faults.injector import Injector
from tests.faults.plan import Fault, Plan
from tests.faults.plant import Ground, Plant, plant
from tests.faults.report import PlantedRow
from tests.faults.stories import PLENTY, SHELVES, Actor, Stage, movement, pieces
from tests.planted.planting import rehearsal

REST_SECONDS = 12.0
PATIENCE = 8.0


@dataclass
class Scene:
    """A small plant with one site, in which one thing happens."""

    plant: Plant
    caller: Caller
    stage: Stage
    findings: list[str] = field(default_factory=list)

    @property
    def actor(self) -> Actor:
        """Somebody at the site."""
        return Actor(self.caller, self.stage.cast, self.stage.cast.sites[0], self.caller.chance, 0)

    @property
    def item(self) -> str:
        """An item that is on stock."""
        return self.stage.cast.stocked[0]

    async def arm(self, process: str, fault: str) -> None:
        """Start a process again with faults armed."""
        worker = self.plant.supervisor[process]
        worker.fault = fault
        await Injector(self.plant, self.caller, self.caller.chance)._kill(process)
        await self.plant.ready()

    async def order(self) -> Any:
        """A planned order with a part from stock."""
        order = work_orders_pb2.WorkOrder(asset=f"{self.actor.site}/assets/press-0", kind="IMPROVEMENT", title="Repair")
        order.part_demands.add(item=self.item, quantity=pieces(2), mandatory=True,
                               delivery_location=f"{self.actor.site}/locations/staging")  # fmt: skip
        request = work_orders_pb2.CreateWorkOrderRequest(parent=self.actor.site, work_order=order)
        return await self.caller.do("paul", request)

    async def approve(self, order: Any) -> None:
        """Let an order be done."""
        await self.caller.do("ada", work_orders_pb2.ApproveWorkOrderRequest(name=order.name))

    async def reschedule(self, order: Any, hours: int) -> None:
        """Another time for an order."""
        start = Timestamp(seconds=int(time.time()) + hours * 3600)
        finish = Timestamp(seconds=start.seconds + 7200)
        request = work_orders_pb2.RescheduleWorkOrderRequest(
            name=order.name, planned_start_time=start, planned_finish_time=finish, reason="later"
        )
        await self.caller.do("paul", request)

    async def read_meter(self, value: int = 1) -> None:
        """One reading that nothing hangs on."""
        meter = f"{self.actor.site}/assets/press-0/meters/strokes"
        request = meters_pb2.CreateReadingRequest(parent=meter, raw_value=DecimalText(value=str(value)))
        await self.caller.do("tina", request)

    async def move(self, value: int = 1) -> None:
        """Stock goes from one shelf to another."""
        await self.caller.do("sam", movement(self.actor.site, "MOVE", self.item, value, frm=SHELVES[0], to=SHELVES[1]))


# --- scenes ---------------------------------------------------------------------------------------------------


async def killed_at_insert(scene: Scene) -> None:
    """A consumer dies after it has written its inbox row and before it commits."""
    await scene.arm("materials", "inbox.after_insert@WorkOrderApproved:1:kill")
    await scene.approve(await scene.order())


async def late_commit(scene: Scene) -> None:
    """A transaction takes its position in the outbox early and commits late."""
    await scene.arm("maintenance", "unit.before_commit@CreateReading:1:delay=1")
    late = asyncio.create_task(scene.read_meter())
    await asyncio.sleep(0.4)
    await scene.order()
    await late


async def overtaken_transaction(scene: Scene) -> None:
    """A later version of an aggregate lies below the horizon, an earlier one does not (REL-5's example)."""
    order = await scene.order()
    await scene.arm(
        "maintenance",
        "unit.after_idempotency_insert@RescheduleWorkOrder:1:delay=1.2,"
        "unit.after_idempotency_insert@CreateReading:1:delay=2.5",
    )
    later = asyncio.create_task(scene.reschedule(order, 5))
    await asyncio.sleep(0.3)
    opened = asyncio.create_task(scene.read_meter())
    await asyncio.sleep(0.3)
    await scene.approve(order)
    await asyncio.gather(later, opened)


async def more_than_there_is(scene: Scene) -> None:
    """More is moved than lies on the shelf."""
    for value in (PLENTY // 2, PLENTY, PLENTY):
        with contextlib.suppress(Refused):
            await scene.move(value)


async def second_before_first(scene: Scene) -> None:
    """The second event of an order arrives before the first."""
    await scene.arm("maintenance", "relay.before_publish:1:delay=3")
    order = await scene.order()
    await scene.approve(order)
    query = "select subject, payload, headers from outbox where aggregate_id = %s order by pos desc"
    rows = await asyncio.to_thread(scene.plant.rows, "maintenance", query, order.name)
    await Injector(scene.plant, scene.caller, scene.caller.chance).publish("maintenance", rows)


async def two_replicas(scene: Scene) -> None:
    """Two replicas, and orders that change quickly."""
    for hours in (1, 2):
        order = await scene.order()
        await scene.approve(order)
        await scene.reschedule(order, hours)


async def killed_before_commit(scene: Scene) -> None:
    """A process dies when everything is written and nothing committed."""
    await scene.arm("maintenance", "unit.before_commit@CreateWorkOrder:1:kill")
    await scene.order()


async def killed_after_publish(scene: Scene) -> None:
    """The relay dies between the broker's acknowledgement and its own note of it."""
    await scene.arm("maintenance", "relay.after_publish_before_store:1:kill")
    await scene.approve(await scene.order())


async def leader_frozen_after_publish(scene: Scene) -> None:
    """The leading relay freezes when it has told of an issue; the standby takes over and tells it again."""
    order = await scene.order()
    await scene.approve(order)
    await scene.actor._ready(order.name)
    for name in ("materials", "materials-2"):
        await scene.arm(name, "relay.after_publish_before_store:1:stop")
    scene.caller.patience = 30
    (row,) = await scene.actor.reserved(order.name)
    issue = reservations_pb2.IssueReservationRequest(name=row.name, quantity=row.allocated)
    await scene.caller.do("sam", issue)
    await asyncio.sleep(7)
    for name in ("materials", "materials-2"):
        scene.plant.supervisor[name].send(signal.SIGCONT)


async def killed_after_claim(scene: Scene) -> None:
    """A process dies after it has claimed a request id."""
    await scene.arm("materials", "unit.after_idempotency_insert@CreateMovement:1:kill")
    with contextlib.suppress(Unanswered):
        await scene.move()


async def cut_at_commit(scene: Scene) -> None:
    """The connection breaks before a COMMIT arrives."""
    edge = scene.plant.edges["materials-database"]
    for _ in range(6):
        edge.break_commits("before")
        await scene.move()
    edge.heal()


async def store_wiped(scene: Scene) -> None:
    """The broker loses its store, and numbers its events anew."""
    injector = Injector(scene.plant, scene.caller, scene.caller.chance)
    order = await scene.order()
    await scene.approve(order)
    await _rest(scene.plant)
    query = "select subject, payload, headers from outbox where aggregate_id = %s"
    again = await asyncio.to_thread(scene.plant.rows, "maintenance", query, order.name)
    await injector.publish("maintenance", again)  # so that the numbers of the new stream differ from the old one's
    await _rest(scene.plant)
    await injector.inject(Fault("F4", 0, "wipe", "nats"))
    await scene.approve(await scene.order())


async def all_on_hold(scene: Scene) -> None:
    """An order wants what is on hold."""
    held = {"from_status": "UNRESTRICTED", "to_status": "BLOCKED"}
    for shelf in SHELVES:
        request = movement(scene.actor.site, "STATUS_CHANGE", scene.item, PLENTY, frm=shelf, to=shelf, **held)
        await scene.caller.do("stella", request)
    await scene.approve(await scene.order())


async def readings(scene: Scene) -> None:
    """A meter is read."""
    await scene.read_meter()


async def slow_commit(scene: Scene) -> None:
    """A deadline passes while the database commits."""
    scene.caller.seconds, patience = 0.4, scene.caller.patience
    scene.caller.patience = 0
    with contextlib.suppress(Unanswered):
        await scene.read_meter()
    await asyncio.sleep(1.5)
    scene.caller.seconds, scene.caller.patience = 3.0, patience
    query = "select sessions_abandoned + sessions_fatal + sessions_killed from pg_stat_database where datname = %s"
    lost = await asyncio.to_thread(scene.plant.value, "maintenance", query, scene.plant.database["maintenance"])
    if lost:
        scene.findings.append(f"I11 maintenance: {lost} sessions broke off in the middle")


SLOW = (
    "create function slow_commit() returns trigger language plpgsql as "
    "$$ begin perform pg_sleep(1); return null; end $$",
    "create constraint trigger slow after insert on reading deferrable initially deferred "
    "for each row execute function slow_commit()",
)


@dataclass(frozen=True, slots=True)
class Planted:
    """One bug: modules that plant it, the scene that bites, and the checkers that may notice it."""

    name: str
    modules: tuple[str, ...]
    scene: Callable[[Scene], Awaitable[None]]
    by: tuple[str, ...]
    unguarded: bool = False
    """The balance guard is taken out of the database."""


_MINE, _THERE = "tests.faults.bugs", "tests.planted.chassis"
PLANTED: Sequence[Planted] = (
    Planted("inbox insert removed", (f"{_THERE}.inbox_insert_removed",), killed_at_insert, ("I3", "I4")),
    Planted("ack before commit", (f"{_MINE}.ack_before_commit",), killed_at_insert, ("I4", "I5", "I6")),
    Planted("balance guard replaced by sum-then-insert", (), more_than_there_is, ("I1", "I2"), unguarded=True),
    Planted("relay by pos > last", (f"{_MINE}.relay_by_position",), late_commit, ("I4", "I5")),
    Planted("hold-back removed", (f"{_THERE}.hold_back_removed",), overtaken_transaction, ("I5",)),
    Planted("waiting by nak, one in flight", (f"{_MINE}.waiting_by_nak",), second_before_first, ("I4", "I6")),
    Planted("gap skipped", (f"{_THERE}.gap_skipped",), second_before_first, ("I5", "I10")),
    Planted(
        "two relays share rows, version rule off", (f"{_MINE}.relays_share_rows", f"{_MINE}.version_rule_off"),
        two_replicas, ("I5",),
    ),
    Planted("event published before commit", (f"{_MINE}.published_before_commit",), killed_before_commit, ("I4",)),
    Planted(
        "event id made at publish time", (f"{_MINE}.event_id_made_at_publish_time",), killed_after_publish, ("I3", "I4")
    ),
    Planted(
        "idempotency row in a transaction of its own", (f"{_THERE}.idempotency_row_in_its_own_transaction",),
        killed_after_claim, ("I3",),
    ),
    Planted("COMMIT repeated instead of the unit", (f"{_MINE}.commit_repeated_alone",), cut_at_commit, ("I1", "I3")),
    Planted("inbox keyed by stream sequence, store wiped", (f"{_MINE}.inbox_by_sequence",), store_wiped, ("I3", "I4")),
    Planted("hold not checked at issue", (f"{_MINE}.hold_not_checked",), all_on_hold, ("I9",)),
    Planted("audit record missing on one path", (f"{_MINE}.no_audit_of_readings",), readings, ("I3", "I8")),
    Planted(
        "relay without Msg-Id, inbox by sequence, leader frozen",
        (f"{_MINE}.relay_without_message_id", f"{_MINE}.inbox_by_sequence", f"{_MINE}.version_rule_off"),
        leader_frozen_after_publish, ("I3", "I4", "I6"),
    ),
    Planted("COMMIT without shield", (f"{_THERE}.commit_without_shield",), slow_commit, ("I3", "I11")),
)  # fmt: skip
"""Compensation that is not idempotent: there is no compensation yet."""

_REPLICAS: Mapping[Any, Mapping[str, int]] = {
    two_replicas: {"maintenance": 2}, leader_frozen_after_publish: {"materials": 2},
}  # fmt: skip


async def run(base: Ground, names: Sequence[str], say: Callable[[str], None]) -> list[PlantedRow]:
    """Plant each bug and play its scene; a scene that is not clean without a bug proves nothing."""
    rows: list[PlantedRow] = []
    clean: dict[Any, list[str]] = {}
    for planted in PLANTED:
        if names and not any(name in planted.name for name in names):
            continue
        begin = time.monotonic()
        if planted.scene not in clean:
            clean[planted.scene] = await play(base, planted.scene)
        if clean[planted.scene]:
            row = PlantedRow(planted.name, False, f"not clean without it: {clean[planted.scene][0]}", 0)
        else:
            found = await play(base, planted.scene, planted)
            noticed = [text for text in found if text.startswith(tuple(f"{name} " for name in planted.by))]
            why = noticed[0] if noticed else f"nothing of {', '.join(planted.by)}; {found[:3]}"
            row = PlantedRow(planted.name, bool(noticed), why, time.monotonic() - begin)
        rows.append(row)
        say(
            f"planted  {row.name:<56} {'caught' if row.caught else 'SURVIVED':<9} {row.seconds:>5.1f} s  {row.by[:150]}"
        )
    return rows


async def play(base: Ground, scene: Callable[[Scene], Awaitable[None]], planted: Planted | None = None) -> list[str]:
    """Play one scene, with a bug or without; what the checkers find afterwards."""
    sql: dict[str, Sequence[str]] = {}
    if planted is not None and planted.unguarded:
        sql["materials"] = _unguarded()
    if scene is slow_commit:
        sql["maintenance"] = SLOW
    replicas = _REPLICAS.get(scene, {})
    modules = planted.modules if planted is not None else ()
    with _wanted_by_harness(modules):
        async with (
            plant(base, bugs=modules, bug_sql=sql, replicas=replicas) as made,
            Caller(made, random.Random(7), patience=PATIENCE) as caller,
        ):
            return await _played(made, caller, scene)


async def _played(made: Plant, caller: Caller, scene: Callable[[Scene], Awaitable[None]]) -> list[str]:
    stage = Stage(caller, Plan(7, 1, (), (), (), {}), "planted", assets=1)
    playing = Scene(made, caller, stage)
    await stage.set_up()
    await _rest(made)
    try:
        await scene(playing)
    except (Unanswered, Refused) as error:
        playing.findings.append(f"I3 {error}")
    await made.ready()
    for command in caller.commands:
        if command.outcome == UNKNOWN:
            with contextlib.suppress(Unanswered, Refused):
                await caller.finish(command)
        if command.outcome == UNKNOWN:
            playing.findings.append(f"I3 {command.kind} is still unknown ({command.code})")
    still = await _rest(made)
    if still:
        playing.findings.append(f"I6 not at rest: {still}")
    told = await seed_run.told_events(made)

    def check() -> list[str]:
        with seed_run.books(made, caller, told) as found:
            return [text for texts in checkers.run(found).values() for text in texts]

    return playing.findings + await asyncio.to_thread(check)


async def _rest(made: Plant) -> list[str]:
    until = time.monotonic() + REST_SECONDS * seed_run.rest_seconds() / seed_run.REST_SECONDS
    while True:
        still = await seed_run.moving(made)
        if not still or time.monotonic() > until:
            return still
        await asyncio.sleep(0.1)


def _unguarded() -> list[str]:
    from tests.planted.materials import balance_guard_removed

    with rehearsal() as sql:
        balance_guard_removed.plant()
    return [
        "alter table balance drop constraint ck_balance_on_hand",
        "alter table balance drop constraint ck_balance_reserved",
        *sql,
    ]


@contextlib.contextmanager
def _wanted_by_harness(modules: Sequence[str]) -> Any:
    """A bug in what the broker is asked for is declared by the harness as well, else no process were ready."""
    from services.chassis import bus

    known = bus.wanted_consumers
    if f"{_MINE}.waiting_by_nak" in modules:
        bus.wanted_consumers = lambda: {key: value | {"max_ack_pending": 1} for key, value in known().items()}
    try:
        yield
    finally:
        bus.wanted_consumers = known
