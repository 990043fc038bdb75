"""Reserve, pick, swap, release, adjust and count losses at once: sums hold, nothing is promised twice."""

import random
from decimal import Decimal as D
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.message import Message
from plantops.materials.v1 import movements_pb2, reservations_pb2

from services.materials.model import ledger
from services.materials.model.breaking import break_claims
from tests.materials.builders import SITE, at, balances, check, item, movement, q, reason, stocked
from tests.materials.claims import demand
from tests.materials.test_invariants import broken
from tests.materials.test_races import answers, clients, post
from tests.plant import Client
from tests.world import Plant

__all__ = ["clients"]


@pytest.mark.rule("MAT-70")
@pytest.mark.rule("MAT-80")
async def test_of_twenty_that_reserve_one_of_ten_exactly_ten_get_it(store: Plant, clients: list[Client]) -> None:
    name = await item(store)
    await stocked(store, name, 6)
    await stocked(store, name, 4, "bin")
    requests: list[Message] = [
        reservations_pb2.BatchReserveRequest(parent=SITE, requests=[demand(name, 1)]) for _ in range(20)
    ]
    assert await answers(clients, requests) == [""] * 20
    states = store.rows("materials", "select state, count(*) from reservation where item = %s group by 1", name)
    assert dict(states) == {"ALLOCATED": 10, "SHORT": 10}
    assert store.value("materials", "select count(*) from balance where item = %s and not virtual", name) == 2
    assert sum(taken for _, taken in (await balances(store, name)).values()) == 10


@pytest.mark.rule("MAT-80")
@pytest.mark.rule("MAT-74")
async def test_everything_at_once_leaves_sums_whole(store: Plant, clients: list[Client]) -> None:
    chance = random.Random(7)
    names = [await item(store) for _ in range(2)]
    for name in names:
        await stocked(store, name, 30)
        await stocked(store, name, 30, "bin")
    entries = [demand(names[number % 2], 4, priority=1 + number % 5) for number in range(12)]
    answer = await store("sam", reservations_pb2.BatchReserveRequest(parent=SITE, requests=entries))
    assert {reason(outcome) for outcome in answer.outcomes} == {""}
    claims = [outcome.reservation.name for outcome in answer.outcomes]
    requests = [_request(chance, claims, names) for _ in range(100)]
    found = await answers(clients, requests)
    typed = {"NOT_ENOUGH_STOCK", "TOLERANCE_EXCEEDED", "TRANSITION_NOT_ALLOWED", "SWAP_NOT_ALLOWED"}
    assert set(found) <= {"", "OVERLOADED", *typed}
    assert found.count("") > 30
    assert broken(store) == []
    async with store.processes["materials"].commands.open_unit() as unit:
        await ledger.hold(unit, "hamburg", names)
        held = store.rows("materials", "select name from balance where item = any(%s) and reserved > 0", names)
        await break_claims(unit, "hamburg", dict.fromkeys((name for (name,) in held), D(9)), "it is counted")
    assert broken(store) == []
    assert await check(store) == []


def _request(chance: random.Random, claims: list[str], names: list[str]) -> Any:
    name, claim, key = chance.choice(names), chance.choice(claims), str(uuid4())
    here, there = chance.sample([at("shelf"), at("bin")], 2)
    kind = chance.randrange(7)
    if kind == 0:
        return reservations_pb2.BatchReserveRequest(
            parent=SITE, requests=[demand(name, 2, priority=chance.randint(1, 5))]
        )
    if kind == 1:
        return reservations_pb2.IssueReservationRequest(name=claim, quantity=q(1), location=here, request_id=key)
    if kind == 2:
        return reservations_pb2.SwapAllocationRequest(
            name=claim, quantity=q(1), location=here, reason="x", request_id=key
        )
    if kind == 3:
        return reservations_pb2.ReleaseReservationRequest(name=claim, reason="x", request_id=key)
    if kind == 4:
        return post(movement("ADJUST", name, 3, from_location=here))
    if kind == 5:
        entry = post(movement("MOVE", name, 2, from_location=here, to_location=there))
        return movements_pb2.BatchCreateMovementsRequest(parent=SITE, requests=[entry])
    return post(movement("ADJUST", name, 2, to_location=here))
