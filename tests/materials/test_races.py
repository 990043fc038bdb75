"""Many clients at once on real connections: exact sums, typed refusals, no deadlock."""

import asyncio
from decimal import Decimal as D
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.message import Message
from plantops.materials.v1 import handling_units_pb2 as pb
from plantops.materials.v1 import movements_pb2, reservations_pb2

from tests.materials.builders import (
    HEAD,
    SITE,
    approval,
    at,
    balances,
    check,
    claim_of,
    handling_units,
    item,
    movement,
    packed,
    q,
    stocked,
    tell,
    unit_type,
    work_order,
)
from tests.materials.test_invariants import broken
from tests.plant import Client, Refused
from tests.world import Plant

CLIENTS = 8


@pytest.fixture
async def clients(store: Plant, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Eight clients with a connection of their own, all of which may change something at a time."""
    work = store.processes["materials"].commands.work
    monkeypatch.setattr(work, "most", CLIENTS)
    token = store.issuer.token("people/stella", HEAD)
    found = [Client(store.processes["materials"], token) for _ in range(CLIENTS)]
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    before = store.value("materials", deadlocks)
    yield found
    for client in found:
        await client.close()
    assert store.value("materials", deadlocks) == before
    assert broken(store) == []
    assert await check(store) == []


def post(what: movements_pb2.Movement) -> movements_pb2.CreateMovementRequest:
    return movements_pb2.CreateMovementRequest(parent=SITE, movement=what, request_id=str(uuid4()))


async def answers(clients: list[Client], requests: list[Message]) -> list[str]:
    """Each client sends its share, one after the other; reasons, "" for done, in no order."""

    async def run(client: Client, mine: list[Message]) -> list[str]:
        found = []
        for request in mine:
            try:
                await client(request, timeout=60)
                found.append("")
            except Refused as refused:
                found.append(refused.reason)
        return found

    before = _deadlocks(clients[0])
    shares = [requests[number :: len(clients)] for number in range(len(clients))]
    found = [reason for part in await asyncio.gather(*map(run, clients, shares)) for reason in part]
    assert _deadlocks(clients[0]) == before
    return found


def _deadlocks(client: Client) -> float:
    """Units that were done anew because the database ended a deadlock."""
    return client.process.commands.metrics.value("plantops_db_retries_total", "40P01")


@pytest.mark.rule("MAT-80")
async def test_eight_clients_that_add_one_fifteen_times_add_exactly_120(store: Plant, clients: list[Client]) -> None:
    name = await item(store)
    gains = [post(movement("ADJUST", name, 1, to_location=at("shelf"))) for _ in range(120)]
    assert await answers(clients, list(gains)) == [""] * 120
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(120), D(0))}
    assert store.value("materials", "select count(*) from movement where item = %s", name) == 120


@pytest.mark.rule("MAT-80")
@pytest.mark.rule("MAT-57")
async def test_of_32_transfers_out_of_ten_exactly_ten_succeed(store: Plant, clients: list[Client]) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    moves = [post(movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("bin"))) for _ in range(32)]
    assert sorted(await answers(clients, list(moves))) == [""] * 10 + ["NOT_ENOUGH_STOCK"] * 22
    assert await balances(store, name) == {("bin", "UNRESTRICTED"): (D(10), D(0))}


@pytest.mark.rule("MAT-74")
@pytest.mark.rule("PERF-4")
async def test_batches_over_the_same_stock_in_any_order_do_not_deadlock(store: Plant, clients: list[Client]) -> None:
    names = [await item(store) for _ in range(6)]
    for name in names:
        await stocked(store, name, 40)
        await stocked(store, name, 40, "bin")
    requests: list[Message] = []
    for number in range(24):
        turned = names[number % 6 :] + names[: number % 6]
        order = turned if number % 2 else turned[::-1]
        ends = (at("shelf"), at("bin")) if number % 3 else (at("bin"), at("shelf"))
        entries = [post(movement("MOVE", name, 1, from_location=ends[0], to_location=ends[1])) for name in order]
        requests.append(movements_pb2.BatchCreateMovementsRequest(parent=SITE, requests=entries))
    assert await answers(clients, requests) == [""] * 24
    for name in names:
        assert sum(on_hand for on_hand, _ in (await balances(store, name)).values()) == 80


@pytest.mark.rule("MAT-46")
async def test_of_eight_reversals_at_once_one_succeeds(store: Plant, clients: list[Client]) -> None:
    name = await item(store)
    made = await stocked(store, name, 10)
    requests = [
        movements_pb2.ReverseMovementRequest(name=made.name, reason="x", request_id=str(uuid4())) for _ in range(8)
    ]
    found = await answers(clients, list(requests))
    assert sorted(found) == ["", *["ALREADY_REVERSED"] * 7]
    assert await balances(store, name) == {}


@pytest.mark.rule("MAT-70")
@pytest.mark.played_partner
async def test_claims_at_once_never_take_more_than_there_is(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 6)
    await stocked(store, name, 4, "bin")
    orders = [work_order() for _ in range(10)]
    await tell(store, "maintenance", *(approval(order, {"d1": (name, 3)}) for order in orders))
    rows = [await claim_of(store, order) for order in orders]
    assert sum(D(row.allocated.value) for row in rows) == 10
    assert sum(taken for _, taken in (await balances(store, name)).values()) == 10
    assert broken(store) == []


@pytest.mark.rule("MAT-80")
@pytest.mark.played_partner
async def test_issues_releases_moves_and_receipts_at_once_leave_the_stock_whole(
    store: Plant, clients: list[Client]
) -> None:
    name = await item(store)
    await stocked(store, name, 20)
    orders = [work_order() for _ in range(8)]
    await tell(store, "maintenance", *(approval(order, {"d1": (name, 3)}) for order in orders))
    claims = [await claim_of(store, order) for order in orders]
    requests: list[Message] = []
    for claim in claims:
        for _ in range(3):
            requests.append(
                reservations_pb2.IssueReservationRequest(name=claim.name, quantity=q(1), request_id=str(uuid4()))
            )
            requests.append(post(movement("MOVE", name, 2, from_location=at("shelf"), to_location=at("bin"))))
            requests.append(post(movement("OPENING", name, 1, to_location=at("bin"))))
        requests.append(
            reservations_pb2.ReleaseReservationRequest(name=claim.name, reason="x", request_id=str(uuid4()))
        )
    found = await answers(clients, requests)
    assert set(found) <= {"", "NOT_ENOUGH_STOCK", "TOLERANCE_EXCEEDED", "TRANSITION_NOT_ALLOWED"}
    assert found.count("") >= 40


@pytest.mark.rule("MAT-20", "MAT-21", "MAT-74")
async def test_units_that_are_packed_nested_and_moved_at_once_stay_whole(store: Plant, clients: list[Client]) -> None:
    kind = await unit_type(store)
    pallet, *boxes = (unit.name for unit in await handling_units(store, kind, 4))
    names = [await item(store) for _ in range(4)]
    for name in names:
        await stocked(store, name, 30, "shelf")
        await stocked(store, name, 30, "bin")
    requests: list[Message] = []
    for turn in range(8):
        for number, box in enumerate(boxes):
            what = [packed(names[(number + turn + more) % 4], 1) for more in (0, 1)]
            requests.append(pb.PackHandlingUnitRequest(name=box, contents=what))
            if turn % 2:
                requests.append(pb.NestHandlingUnitRequest(name=box, parent_handling_unit=pallet))
                requests.append(pb.UnpackHandlingUnitRequest(name=boxes[number - 1]))
            else:
                requests.append(pb.UnnestHandlingUnitRequest(name=box))
        requests.append(pb.MoveHandlingUnitRequest(name=pallet, location=at("bin" if turn % 2 else "shelf")))
        requests.append(pb.MoveHandlingUnitRequest(name=boxes[turn % 3], location=at("bin"), detach=True))
    for request in requests:
        request.request_id = str(uuid4())
    found = await answers(clients, requests)
    assert set(found) <= {"", "HANDLING_UNIT_ELSEWHERE", "HANDLING_UNIT_NESTED", "FIELD_INVALID", "NOT_ENOUGH_STOCK"}
    assert found.count("") > len(requests) // 3
    for name in names:
        total = "select sum(on_hand) from balance where item = %s and not virtual"
        assert store.value("materials", total, name) == 60
