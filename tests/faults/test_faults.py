"""A sample of the fault runs on real processes, and each checker shown to notice what it looks for."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import psycopg
import pytest

from tests.faults import checkers, planted_runs, seed_run, state
from tests.faults.checkers import Books
from tests.faults.commands import Caller
from tests.faults.plan import Fault, Plan, Story
from tests.faults.plant import Ground, Plant, ground, plant
from tests.faults.stories import Actor, Stage


@pytest.fixture(scope="module")
async def base() -> AsyncIterator[Ground]:
    """Engines of the fault runs, and the process that all others are forked from."""
    async with ground() as found:
        yield found


def stories(*kinds: str) -> tuple[Story, ...]:
    return tuple(Story(number, kind, number * 0.25, 0) for number, kind in enumerate(kinds))


WORK = stories("order", "move", "breakdown", "adjust", "race", "order_cancelled", "hold")

SAMPLES: Mapping[str, tuple[Fault, ...]] = {
    "services and points": (
        Fault("F1", 0.5, "kill", "materials"),
        Fault("F2", 1.0, "unit.after_commit:2:kill", "maintenance"),
        Fault("F2", 2.0, "inbox.after_commit_before_ack:2:kill", "procurement"),
        Fault("F1", 3.0, "kill", "gateway"),
    ),
    "engines": (
        Fault("F3", 0.5, "kill", "nats"),
        Fault("F5", 1.5, "kill", "postgres"),
        Fault("F6", 0.2, "after", "materials"),
        Fault("F5", 3.0, "kill backend", "maintenance"),
    ),
}


@pytest.mark.rule("P-1")
@pytest.mark.rule("P-2")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("services and points", marks=pytest.mark.rule("P-4")),
        pytest.param("engines", marks=pytest.mark.rule("P-5")),
    ],
)
async def test_nothing_is_lost_or_doubled_whatever_dies(base: Ground, name: str) -> None:
    outcome = await seed_run.run(base, Plan(1, 1, ("F1", "F2", "F3", "F5", "F6"), WORK, SAMPLES[name], {}))
    assert outcome.findings == []
    assert len(outcome.happened) == len(SAMPLES[name])
    assert outcome.commands["acknowledged"] > 50
    assert outcome.commands["unknown"] == 0
    assert outcome.absorbed["idempotency"] >= outcome.commands["acknowledged"]
    assert outcome.stories["done"] == len(WORK)


async def test_a_planted_bug_is_noticed_and_its_scene_is_clean_without_it(base: Ground) -> None:
    said: list[str] = []
    (row,) = await planted_runs.run(base, ["ack before commit"], said.append)
    assert row.caught, row.by
    assert "caught" in said[0]


@pytest.mark.rule("REL-90", "P-1")
async def test_what_a_broker_lost_without_a_word_is_told_again(base: Ground) -> None:
    """One flipped bit in the middle of a block: the broker starts, counts the event, and cannot hand it out."""
    plan = Plan(1, 1, ("F16",), (), (), {})
    async with plant(base) as made, Caller(made, random.Random(7), patience=8) as caller:
        await Stage(caller, plan, "flipped", assets=1).set_up()
        while await seed_run.moving(made):
            await asyncio.sleep(0.1)
        (event_id,) = made.rows("maintenance", "select event_id::text from outbox order by pos offset 3 limit 1")[0]
        nats = made.ground.nats
        os.kill(nats.pid, signal.SIGTERM)
        while nats.alive:
            await asyncio.sleep(0.02)
        (block,) = (nats.folder / "jetstream").rglob("streams/MAINTENANCE/msgs/*.blk")
        content = bytearray(block.read_bytes())
        content[content.index(event_id.encode()) + 60] ^= 1
        block.write_bytes(bytes(content))
        await asyncio.to_thread(nats.revive)
        await made.ready()
        run = seed_run.Run(made, caller, plan, seed_run.Outcome(plan), random.Random(7))
        told = await seed_run.told_events(made)
        assert event_id not in {row[0] for row in told["maintenance"]}
        assert await run.tell_again(told) == {event_id}


# --- each checker notices what it looks for -------------------------------------------------------------------


@pytest.fixture(scope="module")
async def after_work(base: Ground) -> AsyncIterator[tuple[Plant, Caller, Any]]:
    """A plant in which some work was done, at rest."""
    async with plant(base) as made, Caller(made, random.Random(3)) as caller:
        stage = Stage(caller, Plan(3, 1, (), (), (), {}), "checked", assets=1)
        await stage.set_up()
        actor = Actor(caller, stage.cast, stage.cast.sites[0], caller.chance, 0)
        for story in ("move", "order", "purchase", "breakdown"):
            await getattr(actor, story)()
        async with asyncio.timeout(60):
            while await seed_run.moving(made):
                await asyncio.sleep(0.05)
        yield made, caller, await seed_run.told_events(made)


@contextlib.contextmanager
def changed(found: tuple[Plant, Caller, Any], sql: Mapping[str, str]) -> Iterator[Books]:
    """The books after some SQL past all guards, which is taken back afterwards."""
    made, caller, told = found
    with contextlib.ExitStack() as stack:
        connections: dict[str, psycopg.Connection[Any]] = {}
        for service, name in made.database.items():
            connection = connections[service] = stack.enter_context(made.ground.superuser(name))
            connection.autocommit = False
            stack.callback(connection.rollback)
            if service in sql:
                connection.execute("set local session_replication_role = replica")
                connection.execute(sql[service].encode())
        yield Books(connections, caller.commands, told=told)


_NO_CHECK = (
    "alter table balance drop constraint ck_balance_on_hand; alter table balance drop constraint ck_balance_reserved; "
)
CORRUPT: Mapping[str, list[tuple[str, str]]] = {
    "I1": [
        ("materials", "update movement_entry set quantity = quantity + 1 where side = 2 and movement in "
                      "(select name from movement where kind = 'MOVE')"),
        ("materials", "update balance set on_hand = on_hand + 1 where not virtual and on_hand > 0"),
    ],
    "I2": [("materials", _NO_CHECK + "update balance set on_hand = -1 where not virtual"),  # noqa: S608
           ("materials", _NO_CHECK + "update balance set reserved = on_hand + 1 where not virtual")],  # noqa: S608
    "I3": [
        ("materials", "delete from audit where action like 'materials.movements.%'"),
        ("procurement", "insert into audit (actor, roles, action, object, version, request_id) "
                        "select actor, roles, action, object, version, request_id from audit "
                        "where request_id is not null limit 1"),
        ("materials", "insert into movement "
                      "select (jsonb_populate_record(m, jsonb_build_object('name', m.name || 'x'))).* "
                      "from movement m where m.kind = 'MOVE' and correlation = ''"),
        ("materials", "delete from movement where kind = 'MOVE'"),
    ],
    "I4": [
        ("materials", "delete from inbox where consumer = 'materials-maintenance'"),
        ("materials", "insert into inbox (consumer, event_id, subject, stream_seq) "
                      "values ('materials-maintenance', uuidv7(), 'x', 1)"),
        ("maintenance", "insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, "
                        "correlation, subject, payload, headers, occurred_at) "
                        "values (uuidv7(), 'MeterRead', 'x', 0, '', '', 'x', '', '{}', now())"),
    ],
    "I5": [
        ("maintenance", "delete from outbox where aggregate_version = 1"),
        ("maintenance", "update outbox set aggregate_version = 3 - aggregate_version "
                        "where aggregate_version in (1, 2)"),
        ("procurement", "update applied set version = version - 1"),
    ],
    "I6": [
        ("materials", "update balance set reserved = reserved + 1 where not virtual and on_hand > reserved"),
        ("materials", "delete from reservation"),
        ("maintenance", "update part_demand set quantity = quantity + 1"),
        ("procurement", "update purchase_order_line set received = received - 1"),
        ("materials", "insert into waiting_event (consumer, aggregate, version, event_id, subject, stream_seq, "
                      "headers, payload) values ('materials-maintenance', 'x', 2, uuidv7(), 'x', 1, '{}', '')"),
    ],
    "I8": [
        ("maintenance", "delete from audit where object like '%/readings/%'"),
        ("procurement", "update purchase_order set version = version + 1"),
        ("materials", "delete from audit where xid in (select xid from outbox)"),
    ],
    "I9": [("materials", "update movement set from_status = 'BLOCKED' where kind = 'ISSUE'")],
}  # fmt: skip


@pytest.mark.parametrize(("name", "number"), [(name, n) for name, many in CORRUPT.items() for n in range(len(many))])
async def test_a_checker_notices_what_it_looks_for(
    after_work: tuple[Plant, Caller, Any], name: str, number: int
) -> None:
    service, sql = CORRUPT[name][number]
    with changed(after_work, {}) as sound:
        assert checkers.CHECKS[name](sound) == []
    with changed(after_work, {service: sql}) as corrupt:
        found = checkers.CHECKS[name](corrupt)
    assert found
    assert all(text.startswith(f"{name} ") for text in found)


async def test_a_lock_that_is_left_behind_is_noticed(after_work: tuple[Plant, Caller, Any]) -> None:
    made = after_work[0]
    with changed(after_work, {}) as books:
        assert checkers.i11_nothing_left(books) == []
        with contextlib.ExitStack() as stack:
            for number in (1, 2):
                session = stack.enter_context(made.ground.superuser(made.database["materials"]))
                session.execute("select pg_advisory_lock(1, %s)", [number])
            (found,) = checkers.i11_nothing_left(books)
    assert found.startswith("I11 materials: ")
    assert found.endswith("sessions hold advisory locks")


@pytest.mark.rule("P-3")
async def test_a_state_is_the_same_until_something_is_changed(after_work: tuple[Plant, Caller, Any]) -> None:
    with changed(after_work, {}) as sound:
        before = state.state(sound.connections)
        stand, anew = state.rebuilt(sound.connections["materials"])
    assert stand == anew
    with changed(after_work, {"materials": "update item set title = title || '!'"}) as other:
        assert state.changed(before, state.state(other.connections)) == ["I10 materials.item has changed"]
    with changed(after_work, {"materials": "update balance set on_hand = on_hand + 1 where on_hand > 0"}) as other:
        stand, anew = state.rebuilt(other.connections["materials"])
    assert stand != anew
