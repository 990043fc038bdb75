"""One serial, several people at once: it comes in once, and its number is given once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.message import Message
from plantops.materials.v1 import receipts_pb2, reservations_pb2, serials_pb2

from cli.engines import Engines
from tests.materials.builders import (
    HEAD,
    arrived,
    at,
    check,
    counted,
    expected,
    fresh,
    place,
    q,
    reason,
    reserved,
    scanned,
    site,
)
from tests.materials.serials import moving, opened, serials, stand, steps, tool
from tests.plant import Client, Refused
from tests.signing import Issuer
from tests.world import Plant, running


@pytest.fixture(scope="module")
async def plant(templates: Engines, issuer: Issuer) -> AsyncIterator[Plant]:
    """A plant whose enterprise gives a serial number once over all items."""
    async with running(templates, issuer, of_service={"materials": {"unique_serials": True}}) as found:
        yield found


async def at_once(plant: Plant, requests: Sequence[Message]) -> list[str]:
    """Each request by a client of its own, all at once; reasons, "" for done."""
    token = plant.issuer.token("people/stella", HEAD)
    clients = [Client(plant.processes["materials"], token) for _ in requests]

    async def ask(client: Client, request: Any) -> str:
        request.request_id = str(uuid4())
        try:
            await client(request, timeout=60)
        except Refused as refused:
            return refused.reason
        return ""

    try:
        return await asyncio.gather(*map(ask, clients, requests))
    finally:
        for client in clients:
            await client.close()


@pytest.mark.rule("MAT-16")
@pytest.mark.rule("MAT-80")
async def test_of_two_receipts_of_one_serial_at_once_one_is_posted(store: Plant) -> None:
    for _ in range(3):
        name, number = await tool(store), fresh("S")
        await expected(store, name, 2)
        receipts = [await arrived(store) for _ in range(2)]
        for receipt in receipts:
            (outcome,) = await counted(store, receipt.name, scanned(name, 1, serial_numbers=[number]))
            assert reason(outcome) == ""
        found = await at_once(store, [receipts_pb2.PostReceiptRequest(name=receipt.name) for receipt in receipts])
        assert sorted(found) == ["", "SERIAL_EXISTS"]
        listed = await store("vic", serials_pb2.ListSerialsRequest(parent=name))
        assert [row.location for row in listed.serials] == [at("dock")]


@pytest.mark.rule("MAT-16")
@pytest.mark.rule("MAT-74")
async def test_serials_that_come_in_at_two_sites_at_once_in_any_order_are_at_one_of_them(store: Plant) -> None:
    other = await site(store, fresh("site"))
    await place(store, "rack", parent=other)
    name = await tool(store)
    for _ in range(3):
        names = await serials(store, name, 6)
        here = moving("OPENING", name, names, to_location=at("shelf"))
        there = moving("OPENING", name, names[::-1], to_location=f"{other}/locations/rack")
        there.parent = other
        assert sorted(await at_once(store, [here, there])) == ["", "SERIAL_EXISTS"]
        assert len({(await stand(store, one))[0] for one in names}) == 1
    assert len(await steps(store, names[0])) == 1
    assert await check(store, other) == []


@pytest.mark.rule("MAT-16")
@pytest.mark.rule("MAT-80")
@pytest.mark.played_partner
async def test_whatever_happens_to_serials_at_once_each_has_one_way(store: Plant) -> None:
    name = await tool(store)
    names = await serials(store, name, 6)
    await opened(store, name, names)
    claims = [await reserved(store, name, 1) for _ in range(3)]
    requests: list[Message] = []
    for number, one in enumerate(names):
        requests += [
            reservations_pb2.IssueReservationRequest(name=claims[number % 3].name, quantity=q(1), serials=[one]),
            moving("MOVE", name, [one], from_location=at("shelf"), to_location=at("bin")),
            moving("ADJUST", name, [one], from_location=at("bin")),
            moving("OPENING", name, [one], to_location=at("dock")),
        ]
    found = await at_once(store, requests)
    assert set(found) <= {"", "NOT_ENOUGH_STOCK", "TOLERANCE_EXCEEDED", "TRANSITION_NOT_ALLOWED", "SERIAL_EXISTS"}
    assert found.count("") >= 3
    for one in names:
        way = await steps(store, one)
        assert [step.to_location for step in way[:-1]] == [step.from_location for step in way[1:]]
        where, _, left_by = await stand(store, one)
        assert (where or left_by) == (way[-1].to_location.rsplit("/", 1)[-1] if where else way[-1].movement)
    assert await check(store) == []


@pytest.mark.rule("MAT-15")
async def test_an_enterprise_may_give_a_serial_number_once_over_all_items(store: Plant) -> None:
    one, other = await tool(store), await tool(store)
    for _ in range(3):
        number = fresh("S")
        requests = [
            serials_pb2.CreateSerialRequest(parent=item, serial=serials_pb2.Serial(number=number))
            for item in (one, other)
        ]
        assert sorted(await at_once(store, requests)) == ["", "SERIAL_NUMBER_TAKEN"]
        await expected(store, one, 1)
        await expected(store, other, 1)
        receipt = await arrived(store)
        outcomes = await counted(
            store, receipt.name, *(scanned(item, 1, serial_numbers=[number]) for item in (one, other))
        )
        assert sorted(reason(outcome) for outcome in outcomes) == ["", "SERIAL_NUMBER_TAKEN"]
    listed = await store("vic", serials_pb2.ListSerialsRequest(parent="items/-", filter=f'number = "{number}"'))
    (owner,) = listed.serials
    refused = next(outcome for outcome in outcomes if reason(outcome))
    assert owner.name in refused.status.message
    assert owner.name.startswith((one, other))
