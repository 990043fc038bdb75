"""Holds placed and released while others claim, move and issue: no claim on held stock, no deadlock."""

import asyncio
from decimal import Decimal as D
from typing import Any
from uuid import uuid4

import pytest
from plantops.materials.v1 import holds_pb2, movements_pb2, reservations_pb2

from tests.materials.builders import (
    HEAD,
    SITE,
    approval,
    at,
    check,
    item,
    lot,
    movement,
    place,
    q,
    stocked,
    tell,
    work_order,
)
from tests.materials.holds import Hold, settle
from tests.materials.test_invariants import broken
from tests.plant import Client, Refused
from tests.statements import statements_of
from tests.world import Plant

TYPED = {"", "LOT_ON_HOLD", "NOT_ENOUGH_STOCK", "TOLERANCE_EXCEEDED", "TRANSITION_NOT_ALLOWED"}
ROUNDS = 3


async def answer(client: Client, request: Any) -> tuple[str, Any]:
    """(reason, answer) of one call; reason "" for done."""
    request.request_id = str(uuid4())
    try:
        return "", await client(request, timeout=60)
    except Refused as refused:
        return refused.reason, None


@pytest.mark.rule("MAT-64")
@pytest.mark.rule("MAT-80")
async def test_holds_come_and_go_while_others_claim_move_and_issue(store: Plant) -> None:
    names = [await item(store, tracking="LOT") for _ in range(2)]
    lots = {name: [await lot(store, name) for _ in range(2)] for name in names}
    for name in names:
        for mine in lots[name]:
            for where in ("shelf", "bin"):
                await stocked(store, name, 20, where, lot=mine)
    orders = [work_order() for _ in range(8)]
    for number, order in enumerate(orders):
        await tell(store, "maintenance", approval(order, {"d1": (names[number % 2], 9)}, priority=number % 3 + 1))
    listed = await store("vic", reservations_pb2.ListReservationsRequest(parent=SITE))
    claims = [row.name for row in listed.reservations if row.work_order in orders]
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    before = store.value("materials", deadlocks)
    process = store.processes["materials"]
    placing = Client(process, store.issuer.token("people/ines", {"-": ["inspector"]}))
    others = [Client(process, store.issuer.token("people/stella", HEAD)) for _ in range(4)]
    found: list[str] = []

    async def hold_and_release(scope: dict[str, str]) -> None:
        for _ in range(ROUNDS):
            hold = Hold(reason="looked at", **scope)
            reason, made = await answer(placing, holds_pb2.CreateHoldRequest(parent=SITE, hold=hold))
            assert reason == ""
            assert all(row.quantity.value for row in made.stocks)
            reason, _ = await answer(others[0], holds_pb2.ReleaseHoldRequest(name=made.name, reason="it is fine"))
            assert reason == ""

    async def move(client: Client, name: str) -> None:
        for number in range(2 * ROUNDS):
            ends = (at("shelf"), at("bin")) if number % 2 else (at("bin"), at("shelf"))
            what = movement("MOVE", name, 1, from_location=ends[0], to_location=ends[1], lot=lots[name][number % 2])
            reason, _ = await answer(client, movements_pb2.CreateMovementRequest(parent=SITE, movement=what))
            found.append(reason)

    async def issue(client: Client, mine: list[str]) -> None:
        for name in mine:
            for _ in range(ROUNDS):
                request = reservations_pb2.IssueReservationRequest(name=name, quantity=q(1))
                found.append((await answer(client, request))[0])

    await asyncio.gather(
        hold_and_release({"lot": lots[names[0]][0]}), hold_and_release({"location": at("bin")}),
        hold_and_release({"lot": lots[names[1]][1]}), move(others[1], names[0]), move(others[2], names[1]),
        issue(others[3], claims[:4]), issue(others[1], claims[4:]),
    )  # fmt: skip
    for client in (placing, *others):
        await client.close()
    assert set(found) <= TYPED
    assert found.count("") > ROUNDS
    assert store.value("materials", deadlocks) == before
    assert broken(store) == []
    assert await check(store) == []
    await settle(store)
    assert store.value("materials", "select count(*) from held_lot where held") == 0
    total = "select sum(on_hand) from balance where item = any(%s) and location = any(%s)"
    assert store.value("materials", total, names, [at("shelf"), at("bin")]) == D(160) - found_issued(store, claims)


def found_issued(store: Plant, claims: list[str]) -> D:
    return D(store.value("materials", "select sum(issued) from reservation where name = any(%s)", claims))


@pytest.mark.rule("MAT-50")
async def test_a_hold_takes_as_many_statements_for_many_lots_as_for_one(store: Plant) -> None:
    counts = []
    for count in (1, 8):
        names = [await item(store, tracking="LOT") for _ in range(count)]
        where = f"row-{count}"
        await place(store, where)
        for name in names:
            await stocked(store, name, 4, where, lot=await lot(store, name))
            order = work_order()
            await tell(store, "maintenance", approval(order, {"d1": (name, 3)}), correlation=order)
        with statements_of(store.processes["materials"].engine) as seen:
            made = await store(
                "sam", holds_pb2.CreateHoldRequest(parent=SITE, hold=Hold(reason="wet", location=at(where)))
            )
        assert len(made.broken_reservations) == count
        counts.append(seen.with_part("stock_under"))
        await store("ada", holds_pb2.ReleaseHoldRequest(name=made.name, reason="dry"))
    assert len(counts[0]) == len(counts[1])
