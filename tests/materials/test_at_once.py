"""A movement inside the plant is one round trip: the function that posts it is the whole transaction (PERF-1)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from plantops.materials.v1 import locations_pb2, movements_pb2

from services.chassis.serve import Process, process_of
from tests.materials.builders import at, item, movement, place, stocked
from tests.materials.lanes import BIN, SHELF, blocked, client_of, held, queued, request, sure, timeless
from tests.materials.test_invariants import broken
from tests.plant import Client, Refused
from tests.statements import statements_of
from tests.world import Plant


def calls_of(process: Process) -> int:
    """Statements that lanes sent on their own connections so far; each is a transaction."""
    return sum(line.calls for line in process.commands.lanes.lines)


def move(name: str, value: Any = 1, **given: Any) -> Any:
    return request(movement("MOVE", name, value, **{"from_location": SHELF, "to_location": BIN, **given}))


@pytest.mark.rule("PERF-1")
async def test_a_lone_movement_is_one_statement_that_commits_itself(store: Plant) -> None:
    process = store.processes["materials"]
    client = client_of(store, process)
    name = await item(store)
    await stocked(store, name, 5)
    await client(move(name))  # what it speaks of is read once
    before = calls_of(process)
    with statements_of(process.engine) as others:
        await client(move(name))
        assert calls_of(process) == before + 1
        await asyncio.gather(*(client(move(name)) for _ in range(3)))
    assert before + 2 <= calls_of(process) <= before + 4
    parts = ("principal_grant", "movement", "idempotency", "outbox (")
    assert not [row for done in others.done for row in done if any(part in row for part in parts)]
    await client.close()


async def refusal(client: Client, sent: Any) -> str:
    with pytest.raises(Refused) as found:
        await client(sent)
    return found.value.reason


def change(store: Plant, statement: str, *values: Any) -> None:
    with store.look("materials") as connection:
        connection.execute(statement.encode(), values)


@pytest.mark.rule("PERF-1")
async def test_facts_that_changed_are_read_anew(store: Plant) -> None:
    process = store.processes["materials"]
    client = client_of(store, process)
    name = await item(store)
    await stocked(store, name, 9)
    await client(move(name))
    await place(store, "closing")
    await client(move(name, to_location=at("closing")))
    await store("mara", locations_pb2.LockLocationRequest(name=at("closing"), direction="INBOUND", reason="sealed"))
    assert await refusal(client, move(name, to_location=at("closing"))) == "LOCATION_LOCKED"
    change(store, "update item set base_step = 2, version = version + 1 where name = %s", name)
    assert await refusal(client, move(name)) == "QUANTITY_NOT_ON_GRID"
    await client(move(name, 2))
    change(store, "update location set kind = 'GROUP', version = version + 1 where name = %s", at("closing"))
    assert await refusal(client, move(name, 2, to_location=at("closing"))) == "LOCATION_LOCKED"
    await client.close()


@pytest.mark.rule("SEC-4")
async def test_what_a_person_may_is_asked_at_each_movement(store: Plant) -> None:
    process = store.processes["materials"]
    roles = {"hamburg": ["storekeeper"]}
    client = Client(process, store.issuer.token("people/gwen", roles))
    name = await item(store)
    await stocked(store, name, 900)
    assert await refusal(client, move(name)) == "PERMISSION_DENIED"
    grant = "insert into principal_grant values ('people/gwen', 'storekeeper', 'hamburg', now(), %s)"
    change(store, grant, None)
    before = calls_of(process)
    await client(move(name))
    assert calls_of(process) == before + 1  # what was refused is not kept
    change(store, "delete from principal_grant where principal = 'people/gwen'")
    assert await refusal(client, move(name)) == "PERMISSION_DENIED"
    change(store, grant, datetime.now(UTC) + timedelta(seconds=1.5))
    await client(move(name))

    async def ended() -> str:
        try:
            await client(move(name))
        except Refused as refused:
            return refused.reason
        return ""

    assert await store.eventually(ended, bool) == "PERMISSION_DENIED"  # the grant ended by itself
    change(store, "delete from principal_grant where principal = 'people/gwen'")
    change(store, grant, None)
    await client(move(name))
    change(store, "insert into principal_state values ('people/gwen', 'SUSPENDED')")
    assert await refusal(client, move(name)) == "SUSPENDED"
    change(store, "delete from principal_state where principal = 'people/gwen'")
    await client(move(name))
    await client.close()


@pytest.mark.rule("PERF-1")
async def test_a_request_is_done_once_and_its_id_serves_no_other(store: Plant) -> None:
    process = store.processes["materials"]
    client = client_of(store, process)
    name = await item(store)
    await stocked(store, name, 9)
    await client(move(name))
    sent = move(name, 2)
    first = await client(sent)
    assert client.replayed is False
    assert await client(sent) == first
    assert client.replayed is True
    other = move(name, 3)
    other.request_id = sent.request_id
    assert await refusal(client, other) == "REQUEST_ID_REUSED"
    row = await client(movements_pb2.GetMovementRequest(name=first.name))
    assert timeless(row) == timeless(first)
    assert [entry.item_sequence for entry in first.entries] == [5, 6]
    await client.close()


@pytest.mark.rule("PERF-3")
@pytest.mark.parametrize(
    ("first", "reasons"),
    [
        (3, ["", "", "", ""]),
        (2, ["", *3 * ["NOT_ENOUGH_STOCK"]]),
    ],
)
async def test_movements_of_one_batch_see_those_before_them(store: Plant, first: int, reasons: list[str]) -> None:
    process = store.processes["materials"]
    client = client_of(store, process)
    name = await item(store)
    await stocked(store, name, 3)
    await client(move(name))
    await client(move(name, from_location=BIN, to_location=SHELF))
    back = {"from_location": BIN, "to_location": SHELF}
    with held(store, name):
        calls = [asyncio.ensure_future(client(move(name, first)))]
        await blocked(store)
        for number, sent in enumerate((move(name, 3, **back), move(name, 3), move(name, 3, **back))):
            calls.append(asyncio.ensure_future(client(sent)))
            await queued(store, process, number + 1)
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [one.reason if isinstance(one, Refused) else "" for one in done] == reasons
    assert not broken(store)
    await client.close()


@pytest.mark.rule("PERF-2")
async def test_who_waits_too_long_is_shed_and_lanes_are_measured(store: Plant) -> None:
    process = store.processes["materials"]
    metrics = process.metrics
    client = client_of(store, process)
    name = await item(store)
    await stocked(store, name, 9)
    await client(move(name))
    done, waited = (metrics.value(f"plantops_lane_{word}") for word in ("calls", "wait_seconds"))
    with held(store, name):
        first = asyncio.ensure_future(client(move(name)))
        await blocked(store)
        second = asyncio.ensure_future(client(move(name)))
        await queued(store, process, 1)
        assert metrics.value("plantops_lane_waiting") == 1

        async def longest() -> float:
            return max(lane.wait for lane in process.commands.lanes.lanes)

        await store.eventually(longest, lambda seconds: seconds > 0.15)
        with pytest.raises(Refused) as late:
            await client(move(name), timeout=0.15)
        assert late.value.code == "RESOURCE_EXHAUSTED"  # its deadline cannot be met: it is not queued at all
        assert metrics.value("plantops_lane_waiting") == 1
    await asyncio.gather(first, second)
    assert metrics.value("plantops_lane_calls") == done + 2
    assert metrics.value("plantops_lane_wait_seconds") == waited + 2
    assert metrics.value("plantops_lane_waiting") == 0
    await client.close()


@pytest.mark.rule("PERF-4")
async def test_two_processes_on_one_item_lose_nothing(store: Plant) -> None:
    second = process_of("materials", store.processes["materials"].config)
    await second.start()
    try:
        processes = (store.processes["materials"], second)
        clients = [client_of(store, process) for process in processes]
        names = [await item(store) for _ in range(3)]
        for name in names:
            await stocked(store, name, 20)
        before = [calls_of(process) for process in processes]
        twin = move(names[0])
        sent = [
            move(name, 1, **({} if number % 3 else {"from_location": BIN, "to_location": SHELF}))
            for number in range(30)
            for name in names
        ]
        answers = await asyncio.gather(
            *(sure(clients[number % 2], one) for number, one in enumerate((*sent, twin, twin))),
            return_exceptions=True,
        )
        assert answers[-1] == answers[-2]
        assert all(calls_of(process) > count for process, count in zip(processes, before, strict=True))
        assert {one.reason for one in answers if isinstance(one, Refused)} <= {"NOT_ENOUGH_STOCK"}
        assert not broken(store)
        for client in clients:
            await client.close()
    finally:
        await second.stop()
