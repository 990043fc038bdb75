"""Movements that wait together are posted together, and nobody can tell (PERF-2)."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal as D
from typing import Any

import pytest

from services.chassis.serve import Process, process_of
from tests.materials.builders import (
    at,
    balances,
    batch,
    item,
    movement,
    position,
    post,
    reserved,
    stocked,
    told,
)
from tests.materials.lanes import BIN, SHELF, blocked, client_of, held, opened, queued, request, sure
from tests.materials.policies import in_force, number
from tests.materials.test_invariants import broken
from tests.plant import Refused
from tests.statements import statements_of
from tests.world import Plant


@pytest.fixture(scope="module")
async def second(store: Plant) -> AsyncIterator[Process]:
    """A second process with lanes of its own."""
    process = process_of("materials", store.processes["materials"].config)
    await process.start()
    yield process
    await process.stop()


@pytest.mark.rule("PERF-2")
@pytest.mark.rule("PERF-3")
async def test_calls_of_many_people_that_wait_are_one_transaction_and_each_is_its_own(store: Plant) -> None:
    process = store.processes["materials"]
    people = [client_of(store, process, person) for person in ("people/stella", "people/sam")]
    name = await item(store)
    await stocked(store, name, 6)
    move = movement("MOVE", name, 1, from_location=SHELF, to_location=BIN)
    twin = request(move)
    with held(store, name):
        first = asyncio.ensure_future(people[0](request(move)))
        await blocked(store)
        calls: list[Any] = []
        sent = [
            twin,
            *(request(move) for _ in range(5)),
            request(movement("SCRAP", name, 1, from_location=SHELF)),
            twin,
        ]
        for number, one in enumerate(sent):  # one after the other: the order in which they wait
            calls.append(asyncio.ensure_future(people[1 if one is not twin and number % 2 else 0](one)))
            await queued(store, process, number + 1)
    done = await asyncio.gather(first, *calls, return_exceptions=True)
    # six pieces: the first call, the twin and four of the five; the fifth finds nothing, the scrap is not allowed
    reasons = [one.reason if isinstance(one, Refused) else "" for one in done]
    assert reasons == ["", "", "", "", "", "", "NOT_ENOUGH_STOCK", "NOT_ENOUGH_STOCK", ""]
    assert done[-1] == done[1]
    rows = store.rows(
        "materials",
        "select m.xid, m.actor, a.actor, o.headers ->> 'plantops-actor' from movement m "
        "join audit a on a.object = m.name join outbox o on o.aggregate_id = m.name "
        "where m.item = %s and m.kind = 'MOVE' order by m.record_time",
        name,
    )
    people_in_order = ["stella", "stella", "sam", "stella", "sam", "stella"]
    assert [row[1:] for row in rows] == [(f"people/{who}",) * 3 for who in people_in_order]
    assert [row[0] == rows[0][0] for row in rows] == [True] + [False] * 5
    assert len({row[0] for row in rows[1:]}) == 1
    for client in people:
        await client.close()


@pytest.mark.rule("PERF-2")
async def test_what_somebody_waits_for_is_given_to_them_in_the_same_transaction(store: Plant) -> None:
    name = await item(store)
    claim = await reserved(store, name, 3)
    await asyncio.gather(*(stocked(store, name, 1) for _ in range(4)))
    assert (await balances(store, name))["shelf", "UNRESTRICTED"] == (D(4), D(3))
    (event,) = [row for row in told(store, "ReservationAllocated") if row.reservation == claim.name]
    rows = store.rows(
        "materials",
        "select m.xid from movement m where m.item = %s order by m.record_time", name,
    )  # fmt: skip
    (allocated,) = store.rows(
        "materials", "select xid::text::bigint from outbox where aggregate_id = %s and aggregate_type = %s",
        claim.name, "ReservationAllocated",
    )  # fmt: skip
    assert allocated in rows
    assert event.version > 0


@pytest.mark.rule("PERF-2")
async def test_a_policy_is_asked_in_the_transaction_of_the_loss(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    await in_force(store, name, reorder_point=number(8), order_quantity=number(20))
    before = position(store)
    await asyncio.gather(*(post(store, movement("SCRAP", name, 1, from_location=SHELF)) for _ in range(3)))
    (event,) = told(store, "ReplenishmentNeeded", after=before)
    assert event.item == name
    xids = store.rows("materials", "select xid from movement where item = %s and kind = 'SCRAP'", name)
    assert len(set(xids)) == 3
    asked = "select xid::text::bigint from outbox where pos > %s and aggregate_type = 'ReplenishmentNeeded'"
    assert store.value("materials", asked, before) in [row[0] for row in xids]


@pytest.mark.rule("PERF-2")
async def test_commits_and_statements_do_not_grow_with_the_calls(store: Plant) -> None:
    process = store.processes["materials"]
    names = [await item(store) for _ in range(8)]
    clients = [client_of(store, process) for _ in range(8)]
    for client in clients:
        await client(request(movement("OPENING", names[0], 1, to_location=SHELF)))
    with statements_of(process.engine) as statements:

        def posting() -> list[list[str]]:
            return [done for done in statements.done if any("post_commands" in one for one in done)]

        for name in names:
            await clients[0](request(movement("OPENING", name, 1, to_location=SHELF)))
        assert len(posting()) == len(names)
        alone = len(posting()[0])
        assert alone <= 16
        statements.done.clear()

        async def work(number: int) -> None:
            for turn in range(6):
                name = names[(number + turn) % len(names)]
                await sure(clients[number % 8], request(movement("OPENING", name, 1, to_location=SHELF)))

        await asyncio.gather(*(work(number) for number in range(64)))
        assert len(posting()) <= 0.25 * 64 * 6
        assert {len(done) for done in posting()} == {alone}
    assert (
        store.value("materials", "select sum(on_hand) from balance where item = any(%s) and not virtual", names) == 400
    )
    for client in clients:
        await client.close()


@pytest.mark.rule("PERF-2")
@pytest.mark.rule("PERF-4")
async def test_lanes_of_two_processes_on_the_same_stock_meet_no_deadlock(store: Plant, second: Process) -> None:
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    before = store.value("materials", deadlocks)
    names = [await item(store) for _ in range(5)]
    await batch(
        store, [movement("OPENING", name, 4, to_location=at(where)) for name in names for where in ("shelf", "bin")]
    )
    clients = [client_of(store, process) for process in (store.processes["materials"], second) for _ in range(4)]
    outcomes: list[str] = []

    async def work(number: int) -> None:
        client = clients[number % len(clients)]
        for turn in range(8):
            there, here = (SHELF, BIN) if number % 3 else (BIN, SHELF)
            name = names[(number * 3 + turn) % len(names)]
            try:
                await sure(client, request(movement("MOVE", name, 1, from_location=there, to_location=here)))
                outcomes.append("")
            except Refused as refused:
                outcomes.append(refused.reason)

    await asyncio.gather(*(work(number) for number in range(48)))
    assert set(outcomes) == {"", "NOT_ENOUGH_STOCK"}
    moved = store.value("materials", "select count(*) from movement where item = any(%s) and kind = 'MOVE'", names)
    assert moved == outcomes.count("")
    assert store.value("materials", deadlocks) == before
    assert broken(store) == []
    for client in clients:
        await client.close()


@pytest.mark.rule("PERF-2")
async def test_a_caller_who_goes_away_stops_neither_its_movement_nor_the_lane(store: Plant) -> None:
    process = store.processes["materials"]
    client = client_of(store, process)
    name = await opened(store)
    with held(store, name):
        first = asyncio.ensure_future(client(request(movement("OPENING", name, 1, to_location=SHELF))))
        await blocked(store)
        gone = asyncio.ensure_future(client(request(movement("OPENING", name, 2, to_location=SHELF))))
        await queued(store, process, 1)
        first.cancel()
        gone.cancel()
        await asyncio.gather(first, gone, return_exceptions=True)

        async def inside() -> int:
            return process.commands.admission.inside

        await store.eventually(inside, lambda count: count == 0)  # the service knows that they are gone
    await client(request(movement("OPENING", name, 4, to_location=SHELF)))
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(8), D(0))}
    await client.close()


@pytest.mark.rule("PERF-2")
async def test_a_lost_connection_costs_no_movement_and_doubles_none(store: Plant) -> None:
    process = store.processes["materials"]
    client = client_of(store, process)
    name = await opened(store)
    waiting = "wait_event_type = 'Lock' and datname = current_database()"
    end = f"select pg_terminate_backend(pid) from pg_stat_activity where {waiting}"  # noqa: S608
    with held(store, name):
        calls = [
            asyncio.ensure_future(client(request(movement("OPENING", name, 1, to_location=SHELF)))) for _ in range(5)
        ]
        await blocked(store)
        assert store.value("materials", end) is True
        await queued(store, process, 4)
        await blocked(store)
    await asyncio.gather(*calls)
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(6), D(0))}
    await client.close()


@pytest.mark.rule("PERF-2")
async def test_a_deadline_that_passes_in_the_queue_posts_nothing(store: Plant) -> None:
    process = store.processes["materials"]
    client = client_of(store, process)
    name = await opened(store)
    with held(store, name):
        first = asyncio.ensure_future(client(request(movement("OPENING", name, 1, to_location=SHELF))))
        await blocked(store)
        late = request(movement("OPENING", name, 2, to_location=SHELF))
        with pytest.raises(Refused) as refused:
            await client(late, timeout=0.2)
        assert refused.value.code in ("DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")
    await first
    await client(request(movement("OPENING", name, 4, to_location=SHELF)))
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(6), D(0))}
    await client.close()


@pytest.mark.rule("PERF-2")
async def test_of_a_batch_that_fails_each_call_is_done_alone(store: Plant) -> None:
    process = store.processes["materials"]
    client = client_of(store, process)
    name = await opened(store)
    with store.look("materials") as connection:
        connection.execute(_POISON)
    with held(store, name):
        first = asyncio.ensure_future(client(request(movement("OPENING", name, 1, to_location=SHELF))))
        await blocked(store)
        sent = [movement("OPENING", name, 1, to_location=SHELF, device=device) for device in ("", "poison", "")]
        calls = [asyncio.ensure_future(client(request(what))) for what in sent]
        await queued(store, process, 3)
    found = await asyncio.gather(first, *calls, return_exceptions=True)
    with store.look("materials") as connection:
        connection.execute("drop function poison cascade")
    assert [one.code if isinstance(one, Refused) else "" for one in found] == ["", "", "INTERNAL", ""]
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(4), D(0))}
    await client.close()


_POISON = """
    create function poison() returns trigger language plpgsql as 'begin raise exception $$poison$$; end';
    create trigger poison before insert on movement for each row when (new.device = 'poison') execute function poison();
"""
