"""Transfers that several people load and receive at once: each unit of stock leaves once and arrives once."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal as D
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.message import Message

from tests.materials.builders import HEAD, SITE, at, check, item, place, q, stocked, worth
from tests.materials.builders import eur as money
from tests.materials.shipping import arrival, lies, line, other_site, pb, plan, release, shipped, way
from tests.plant import Client, Refused
from tests.world import Plant


async def at_once(plant: Plant, requests: Sequence[Message], clients: int = 8) -> list[str]:
    """Requests by some clients at once; reasons, "" for done."""
    token = plant.issuer.token("people/stella", HEAD)
    open_ones = [Client(plant.processes["materials"], token) for _ in range(clients)]

    async def ask(client: Client, request: Any) -> str:
        request.request_id = str(uuid4())
        try:
            await client(request, timeout=60)
        except Refused as refused:
            return refused.reason
        return ""

    async def turn(number: int) -> list[str]:
        return [await ask(open_ones[number], request) for request in requests[number::clients]]

    try:
        return [reason for found in await asyncio.gather(*map(turn, range(clients))) for reason in found]
    finally:
        for client in open_ones:
            await client.close()


@pytest.mark.rule("MAT-111")
@pytest.mark.rule("MAT-80")
async def test_of_thirty_two_transfers_of_one_out_of_ten_exactly_ten_leave(store: Plant) -> None:
    name, transit = await item(store, standard_cost=money(2)), await way(store)
    await stocked(store, name, 10)
    rows = [await plan(store, line(name, 1), transit=transit) for _ in range(32)]
    for row in rows:
        await release(store, row.name)
    found = await at_once(store, [pb.ShipTransferRequest(name=row.name) for row in rows])
    assert (found.count(""), found.count("NOT_ENOUGH_STOCK")) == (10, 22)
    assert lies(store, name)["hamburg", transit.rsplit("/", 1)[-1]] == 10
    assert worth(store, name)[:2] == (D(10), D(20))


@pytest.mark.rule("MAT-111")
@pytest.mark.rule("MAT-51")
async def test_two_scanners_that_receive_one_transfer_at_once_count_it_once(store: Plant) -> None:
    other = await other_site(store)
    name = await item(store, standard_cost=money(3))
    for to in (other, ""):
        await stocked(store, name, 6)
        row = await shipped(store, line(name, 6), to_site=to, to=f"{to}/locations/dock" if to else "")
        dock = f"{row.to_site}/locations/dock"
        requests = [arrival(row, pb.TransferGoods(line=1, quantity=q(2)), location=dock) for _ in range(5)]
        found = await at_once(store, requests, 5)
        assert found.count("") == 3
        assert set(found) <= {"", "OVER_RECEIPT", "TRANSITION_NOT_ALLOWED"}
        assert lies(store, name)[row.to_site.removeprefix("sites/"), "dock"] == 6
    assert await check(store, other) == []


@pytest.mark.rule("MAT-74")
@pytest.mark.rule("MAT-51")
async def test_transfers_both_ways_between_two_sites_do_not_wait_for_each_other(store: Plant) -> None:
    other = await other_site(store)
    name = await item(store, standard_cost=money(1))
    await stocked(store, name, 12)
    dock = f"{other}/locations/dock"
    await at_once(store, [arrival(await shipped(store, line(name, 4), to_site=other, to=dock))], 1)
    under_way = str((await place(store, "way", "TRANSIT", parent=other)).name)
    rows = [await shipped(store, line(name, 1), to_site=other, to=dock) for _ in range(4)]
    for _ in range(4):
        home = pb.Transfer.Line(item=name, quantity=q(1), location=dock)
        given = pb.Transfer(lines=[home], transit_location=under_way, to_site=SITE, to_location=at("bin"))
        row = await store("sam", pb.CreateTransferRequest(parent=other, transfer=given))
        await release(store, row.name)
        rows.append(await store("sam", pb.ShipTransferRequest(name=row.name)))
    assert await at_once(store, [arrival(row) for row in rows]) == [""] * 8
    values = store.rows("materials", "select site, quantity, value from value_balance where item = %s", name)
    assert sorted((quantity, value) for _, quantity, value in values) == [(4, 4), (8, 8)]
    assert await check(store, other) == []
