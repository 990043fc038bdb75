"""Many scanners at once: no task twice, no deadlock with what is posted meanwhile."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from plantops.materials.v1 import tasks_pb2

from tests.materials.builders import SITE, at, fresh, item, movement, place, q, stocked
from tests.materials.tasks import demand, scanned, tasks_of, waved, yard
from tests.materials.test_races import answers
from tests.materials.test_races import clients as clients
from tests.materials.test_races import post as moving
from tests.plant import Client, Refused
from tests.world import Plant


async def full_zone(plant: Plant, count: int) -> tuple[str, str, str, str]:
    """(zone, item, cart, staging): an item of which so many picks lie in a zone, one in each bin."""
    zone = fresh("zone")
    await place(plant, zone, "GROUP")
    _, cart, staging = await yard(plant)
    name = await item(plant)
    for number in range(count):
        bin_ = fresh("bin")
        await place(plant, bin_, parent_location=at(zone), path_order=number)
        await stocked(plant, name, 1, bin_)
    await waved(plant, await demand(plant, name, count, staging))
    return zone, name, cart, staging


@pytest.mark.rule("MAT-109")
@pytest.mark.rule("MAT-73")
async def test_many_scanners_that_claim_at_once_get_a_task_each_and_none_twice(
    store: Plant, clients: list[Client]
) -> None:
    zone, name, _, _ = await full_zone(store, 10)
    found: list[str] = []

    async def claim(client: Client, turn: int) -> None:
        for number in range(2):
            answer = await client(
                tasks_pb2.ClaimNextTaskRequest(parent=SITE, zones=[at(zone)], device=f"scanner-{turn}-{number}"),
                timeout=60,
            )
            if answer.HasField("task"):
                found.append(answer.task.name)

    await asyncio.gather(*(claim(client, turn) for turn, client in enumerate(clients)))
    assert len(found) == len(set(found)) == 10
    assert {task.name for task in await tasks_of(store, name)} == set(found)


@pytest.mark.rule("MAT-74")
async def test_confirmations_and_postings_of_the_same_stock_do_not_deadlock(
    store: Plant, clients: list[Client]
) -> None:
    _, name, cart, _ = await full_zone(store, 4)
    await stocked(store, name, 50, "bin")
    tasks = await tasks_of(store, name, "PICK")
    requests: list[Any] = []
    for task in tasks:
        scan = scanned(task, cart, rest="EMPTY")
        requests.append(tasks_pb2.ConfirmTaskRequest(name=task.name, scan=scan, request_id=str(uuid4())))
        requests += [
            moving(movement("MOVE", name, 1, from_location=at("bin"), to_location=at("shelf"))) for _ in range(3)
        ]
    assert await answers(clients, requests) == [""] * len(requests)
    assert len(await tasks_of(store, name, "STAGE")) == len(tasks)


@pytest.mark.rule("MAT-105")
async def test_a_task_that_eight_confirm_at_once_is_done_once(store: Plant, clients: list[Client]) -> None:
    _, name, cart, _ = await full_zone(store, 1)
    (task,) = await tasks_of(store, name)
    request = tasks_pb2.ConfirmTaskRequest(name=task.name, scan=scanned(task, cart, rest="EMPTY"))

    async def confirm(client: Client) -> str:
        mine = tasks_pb2.ConfirmTaskRequest()
        mine.CopyFrom(request)
        mine.request_id = str(uuid4())
        try:
            await client(mine, timeout=60)
        except Refused as refused:
            return refused.reason
        return ""

    found = await asyncio.gather(*map(confirm, clients))
    assert sorted(found) == [""] + ["TRANSITION_NOT_ALLOWED"] * 7
    assert q(1) == (await tasks_of(store, name, "STAGE"))[0].quantity
