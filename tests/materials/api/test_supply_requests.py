"""Requests that transfers and production orders carry: each counts once, from the request to the goods."""

from typing import Any

import pytest
from plantops.materials.v1 import policies_pb2, production_pb2, transfers_pb2

from tests.materials import builders
from tests.materials.builders import SITE, at, fresh, item, movement, place, post, q, site
from tests.materials.kanban import Card, card, empty, loop, seen
from tests.materials.policies import in_force, read, requests_of
from tests.materials.production import component, ordering
from tests.plant import Refused
from tests.world import Plant

Request = policies_pb2.SupplyRequest


async def order_of(plant: Plant, made: str, part: str, value: int, request: str) -> Any:
    parts = [production_pb2.ProductionOrder.Component(component=component(part))]
    return await plant("mara", ordering(made, value, components=parts, supply_request=request))


@pytest.fixture(scope="module")
async def line(store: Plant) -> str:
    await place(store, "line", "STAGING")
    return at("line")


@pytest.mark.rule("MAT-167")
@pytest.mark.rule("MAT-169")
async def test_a_production_order_carries_a_request_until_it_is_released(store: Plant, line: str) -> None:
    made, part = await item(store, "made"), await item(store, "part")
    await in_force(store, made, outcome="PRODUCE")
    (request,) = await requests_of(store, made)
    with pytest.raises(Refused) as wrong:
        await order_of(store, made, part, 24, f"{SITE}/supplyRequests/nothing")
    assert wrong.value.fields == ["production_order.supply_request"]
    order = await order_of(store, made, part, 24, request.name)
    assert order.supply_request == request.name
    carried = await read(store, request)
    assert (carried.state, carried.carried_by) == (Request.CARRIED, order.name)
    with pytest.raises(Refused) as twice:
        await order_of(store, made, part, 24, request.name)
    assert twice.value.reason == "TRANSITION_NOT_ALLOWED"
    await store("mara", production_pb2.CancelOrderRequest(name=order.name, reason="later"))
    again = await read(store, request)
    assert (again.state, again.carried_by) == (Request.OPEN, "")
    order = await order_of(store, made, part, 24, request.name)
    await store("mara", production_pb2.ReleaseOrderRequest(name=order.name))
    assert (await read(store, request)).state == Request.SATISFIED
    await post(store, movement("OPENING", made, 1, to_location=at("shelf")))
    await post(store, movement("ADJUST", made, 1, from_location=at("shelf")))  # the policy is asked
    assert [row.name for row in await requests_of(store, made)] == [request.name]  # 24 are being made


@pytest.mark.rule("MAT-170")
async def test_a_card_follows_its_production_order(store: Plant, line: str) -> None:
    made, part = await item(store, "made"), await item(store, "part")
    one = await card(store, await loop(store, made, outcome="PRODUCE"))
    asked = await empty(store, one)
    order = await order_of(store, made, part, 20, asked.supply_request)
    await store("mara", production_pb2.ReleaseOrderRequest(name=order.name))
    assert (await seen(store, one)).state == Card.IN_TRANSIT
    await store("mara", production_pb2.CancelOrderRequest(name=order.name, reason="broken"))
    assert (await seen(store, one)).state == Card.EMPTY


@pytest.mark.rule("MAT-167")
async def test_a_transfer_carries_a_request_until_it_is_under_way(store: Plant) -> None:
    other = await site(store, fresh("s"))
    there = f"{other}/locations/shelf"
    name = await item(store)
    await post(store, movement("OPENING", name, 50, to_location=there), parent=other)
    await in_force(store, name, outcome="TRANSFER", source_site=other)
    (request,) = await requests_of(store, name)
    transit = await place(store, "transit", "TRANSIT", parent=other)
    going = transfers_pb2.Transfer(
        to_site=SITE, transit_location=transit.name, supply_request=request.name,
        lines=[transfers_pb2.Transfer.Line(item=name, quantity=q(24), location=there)],
    )  # fmt: skip
    nobody = transfers_pb2.Transfer(transit_location=transit.name, supply_request=request.name, lines=going.lines)
    with pytest.raises(Refused) as wrong:
        await store("sam", transfers_pb2.CreateTransferRequest(parent=other, transfer=nobody))
    assert wrong.value.fields == ["transfer.supply_request"]
    made = await store("sam", transfers_pb2.CreateTransferRequest(parent=other, transfer=going))
    assert (await read(store, request)).carried_by == made.name
    await store("sam", transfers_pb2.ReleaseTransferRequest(name=made.name))
    await store("sam", transfers_pb2.ShipTransferRequest(name=made.name))
    assert (await read(store, request)).state == Request.SATISFIED
    await post(store, movement("OPENING", name, 1, to_location=at("shelf")))
    await post(store, movement("ADJUST", name, 1, from_location=at("shelf")))
    assert [row.name for row in await requests_of(store, name)] == [request.name]  # 24 are under way
    assert await builders.check(store, other) == []
