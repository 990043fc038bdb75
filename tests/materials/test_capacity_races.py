"""Room for one is taken by one, whoever comes at once and by whichever way."""

import asyncio
from decimal import Decimal as D
from typing import Any
from uuid import uuid4

import pytest
from plantops.materials.v1 import locations_pb2, movements_pb2, receipts_pb2, tasks_pb2

from tests.materials.builders import (
    SITE,
    at,
    balances,
    counted,
    expected,
    fresh,
    item,
    movement,
    place,
    post,
    q,
    scanned,
    stocked,
)
from tests.materials.test_races import answers
from tests.materials.test_races import clients as clients
from tests.materials.test_races import post as moving
from tests.plant import Client
from tests.world import Plant

Limits = locations_pb2.Location.Limits


async def room_for_one(plant: Plant, item_class: str, **given: Any) -> str:
    name = fresh("place")
    limits = Limits(max_weight=q(10, "KGM"), item_classes=[item_class])
    await place(plant, name, limits=limits, **given)
    return name


async def heavy(plant: Plant, item_class: str) -> str:
    return await item(plant, item_class=item_class, gross_weight=q(10, "KGM"))


@pytest.mark.rule("MAT-33")
async def test_of_eight_that_put_different_items_into_room_for_one_exactly_one_does(
    store: Plant, clients: list[Client]
) -> None:
    kind = fresh("class")
    names = [await heavy(store, kind) for _ in clients]
    for name in names:
        await stocked(store, name, 1, "bin")
    for _ in range(3):
        where = await room_for_one(store, kind)
        moves = [moving(movement("MOVE", name, 1, from_location=at("bin"), to_location=at(where))) for name in names]
        assert sorted(await answers(clients, list(moves))) == [""] + ["CAPACITY_EXCEEDED"] * 7
        for name in names:
            if (where, "UNRESTRICTED") in await balances(store, name):
                await post(store, movement("MOVE", name, 1, from_location=at(where), to_location=at("bin")))


@pytest.mark.rule("MAT-74")
@pytest.mark.rule("MAT-33")
async def test_batches_into_the_same_limited_places_in_any_order_do_not_deadlock(
    store: Plant, clients: list[Client]
) -> None:
    kind = fresh("class")
    places = [await room_for_one(store, kind) for _ in range(4)]
    names = [await item(store, item_class=kind, gross_weight=q(1, "KGM")) for _ in clients]
    for name in names:
        await stocked(store, name, 40, "bin")

    async def run(client: Client, name: str, turn: int) -> None:
        there = [*places[turn % 4 :], *places[: turn % 4]]
        for _ in range(3):
            requests = [moving(movement("MOVE", name, 1, from_location=at("bin"), to_location=at(to))) for to in there]
            await client(movements_pb2.BatchCreateMovementsRequest(parent=SITE, requests=requests), timeout=60)

    await asyncio.gather(*map(run, clients, names, range(len(clients))))
    for where in places:
        held = store.value("materials", "select sum(on_hand) from balance where location = %s", at(where))
        assert held == D(10)


@pytest.mark.rule("MAT-33")
@pytest.mark.rule("MAT-100")
async def test_receipts_posted_at_once_do_not_propose_the_same_room(store: Plant) -> None:
    kind = fresh("class")
    places = {await room_for_one(store, kind, path_order=-500 + turn) for turn in range(3)}
    receipts = []
    for _ in range(3):
        name = await heavy(store, kind)
        await expected(store, name, 1, to="")
        receipt = await store(
            "sam", receipts_pb2.StartReceiptRequest(parent=SITE, supplier="suppliers/acme", location=at("dock"))
        )
        await counted(store, receipt.name, scanned(name, 1))
        receipts.append(receipt.name)
    posted = await asyncio.gather(
        *(store("sam", receipts_pb2.PostReceiptRequest(name=name, request_id=str(uuid4()))) for name in receipts)
    )
    tasks = [
        await store("vic", tasks_pb2.GetPutAwayTaskRequest(name=receipt.lines[0].put_away_task)) for receipt in posted
    ]
    assert {task.proposed_location for task in tasks} == {at(where) for where in places}
