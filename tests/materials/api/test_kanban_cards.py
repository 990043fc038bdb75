"""Kanban cards and pick faces: one card, one request; a place is filled once by what is elsewhere."""

import asyncio
from typing import Any

import pytest
from plantops.materials.v1 import chain_pb2, decisions_pb2, items_pb2, kanban_cards_pb2, policies_pb2
from plantops.procurement.v1 import events_pb2 as procurement

from services.materials import jobs
from tests.materials.builders import (
    SITE,
    at,
    expected,
    fresh,
    item,
    movement,
    numbered,
    ordered,
    place,
    position,
    post,
    purchase_order,
    q,
    stocked,
    tell,
    told,
)
from tests.materials.kanban import card, empty, full, loop, seen, units
from tests.materials.policies import activate, draft, number, policy, requests_of
from tests.materials.tasks import Task, confirm, demand, get, only, start, tasks_of, waved
from tests.plant import Refused
from tests.world import Plant

Card = kanban_cards_pb2.KanbanCard
Request = policies_pb2.SupplyRequest


@pytest.mark.rule("MAT-170")
@pytest.mark.rule("MAT-167")
async def test_a_card_that_is_scanned_twice_asks_once(store: Plant) -> None:
    name = await item(store)
    made = await loop(store, name)
    one, two = await card(store, made), await card(store, made, location=at("bin"))
    assert (one.state, two.location, one.item) == (Card.FULL, at("bin"), name)
    after = position(store)
    answers = await asyncio.gather(*(empty(store, one) for _ in range(4)))
    (request,) = await requests_of(store, name)
    assert {(row.state, row.supply_request) for row in answers} == {(Card.REQUESTED, request.name)}
    assert (request.quantity, answers[0].quantity, request.explanation[-1]) == (q(20), q(20), "KANBAN asks for 20")
    assert (await empty(store, one)).supply_request == request.name
    await store.settle()  # a requisition carries it
    second = await empty(store, two)  # the loop asks for both now
    (raised,) = await requests_of(store, name)
    assert (second.supply_request, raised.name, raised.quantity) == (request.name, request.name, q(40))
    events = told(store, "ReplenishmentNeeded", after=after)
    assert [(event.quantity.value, event.version) for event in events] == [("20", 1), ("40", 2)]


@pytest.mark.rule("MAT-170")
@pytest.mark.rule("MAT-169")
async def test_a_card_follows_its_order_and_asks_again_when_that_is_cancelled(store: Plant) -> None:
    name, order = await item(store), purchase_order()
    one = await card(store, await loop(store, name))
    asked = await empty(store, one)
    await store.settle()
    await expected(store, name, 20, order=order, supply_request=asked.supply_request)
    assert (await seen(store, one)).state == Card.IN_TRANSIT
    await tell(store, "procurement", numbered(procurement.PurchaseOrderCancelled(purchase_order=order), order))
    again = await seen(store, one)
    assert (again.state, again.supply_request != asked.supply_request) == (Card.REQUESTED, True)
    another = purchase_order()
    await expected(store, name, 20, order=another, supply_request=again.supply_request)
    assert (await seen(store, one)).state == Card.IN_TRANSIT
    changed = ordered(procurement.PurchaseOrderChanged, another, name, 20)
    changed.lines[0].schedules[0].set_aside = True
    await tell(store, "procurement", changed)
    assert (await seen(store, one)).state == Card.REQUESTED  # by a third request
    on_way = await store("sam", kanban_cards_pb2.SendKanbanCardRequest(name=one.name))
    assert on_way.state == Card.IN_TRANSIT
    done = await full(store, one)
    assert (done.state, done.supply_request, done.quantity.value) == (Card.FULL, "", "0")
    assert (await full(store, one)).state == Card.FULL
    with pytest.raises(Refused) as refused:
        await store("sam", kanban_cards_pb2.SendKanbanCardRequest(name=one.name))
    assert refused.value.reason == "TRANSITION_NOT_ALLOWED"


@pytest.mark.rule("MAT-170")
async def test_a_loop_has_no_more_cards_than_its_revision_says(store: Plant) -> None:
    name = await item(store)
    made = await loop(store, name, 1)
    one = await card(store, made)
    with pytest.raises(Refused) as refused:
        await card(store, made)
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "KANBAN_LOOP_COMPLETE")
    await activate(store, made, kind="KANBAN", order_quantity=20, card_count=2, reorder_point=0)
    with pytest.raises(Refused) as taken:
        await store(
            "mara",
            kanban_cards_pb2.CreateKanbanCardRequest(parent=SITE, kanban_card=Card(number=one.number, policy=made)),
        )
    assert (taken.value.code, taken.value.reason) == ("ALREADY_EXISTS", "CARD_NUMBER_TAKEN")
    two = await card(store, made)
    await activate(store, made, kind="KANBAN", order_quantity=20, card_count=1, reorder_point=0)
    assert (await empty(store, one)).state == Card.EMPTY  # the other one is still full
    await empty(store, two)
    assert sorted([(await seen(store, row)).state for row in (one, two)]) == [Card.EMPTY, Card.REQUESTED]
    other = await policy(store, await item(store))
    with pytest.raises(Refused) as none:
        await card(store, other.name)
    assert none.value.reason == "KANBAN_LOOP_MISSING"
    for bad in ({"location": "sites/hamburg/locations/nowhere"}, {"location": "sites/bremen/locations/bin"}):
        with pytest.raises(Refused) as wrong:
            await card(store, await loop(store, await item(store)), **bad)
        assert wrong.value.fields == ["kanban_card.location"]


@pytest.mark.rule("MAT-170")
async def test_a_card_of_a_place_is_filled_by_a_task_with_a_whole_container(store: Plant) -> None:
    name, line, rack = await item(store), fresh("line"), fresh("rack")
    for where in (line, rack):
        await place(store, where)
    await stocked(store, name, 15, where=rack)
    one = await card(store, await loop(store, name, 1, location=at(line)))
    after = position(store)
    assert (one.location, (await empty(store, one)).state) == (at(line), Card.EMPTY)  # no whole container is there
    await stocked(store, name, 15, where=rack)
    await asyncio.gather(*(jobs.fill_places(units(store)) for _ in range(2)))
    assert (await seen(store, one)).state == Card.REQUESTED
    task = await only(store, name, "REPLENISH")
    assert (task.from_location, task.proposed_location, task.quantity) == (at(rack), at(line), q(20))
    with store.look("materials") as connection:
        connection.execute("update put_away_task set state = 'CANCELLED' where name = %s", [task.name])
    await jobs.fill_places(units(store))
    task = await only(store, name, "REPLENISH")  # another one
    await start(store, task)
    assert (await seen(store, one)).state == Card.IN_TRANSIT
    await confirm(store, task, line)
    assert (await seen(store, one)).state == Card.FULL
    assert "ReplenishmentNeeded" not in [event.DESCRIPTOR.name for event in told(store, after=after)]
    assert await requests_of(store, name) == []


@pytest.mark.rule("MAT-170")
async def test_cards_are_proposed_and_found_by_their_number(store: Plant) -> None:
    request = kanban_cards_pb2.ProposeKanbanCardsRequest(
        time_unit_code="DAY", mean_demand=number(2000), mean_lead_time=number("0.1"), safety_share=number("0.1"),
        container_quantity=number(22),
    )  # fmt: skip
    answer = await store("mara", request)
    assert (answer.card_count, answer.explanation[-1]) == (10, "2000 * 0.1 * (1 + 0.1) / 22, up: 10")
    request.container_quantity.value = "0"
    with pytest.raises(Refused) as refused:
        await store("mara", request)
    assert refused.value.fields == ["container_quantity"]
    name = await item(store)
    made = await card(store, await loop(store, name))
    found = await store("sam", chain_pb2.LookupMaterialsCodeRequest(parent=SITE, code=made.number))
    assert [(row.kind, row.resource, row.actions[0].verb) for row in found.matches] == [
        ("kanban card", made.name, "empty"),
    ]  # fmt: skip
    listed = await store("vic", kanban_cards_pb2.ListKanbanCardsRequest(parent=SITE, filter=f'item = "{name}"'))
    assert [row.name for row in listed.kanban_cards] == [made.name]


@pytest.mark.rule("MAT-171")
async def test_a_pick_face_is_filled_once_by_tasks_and_tells_nobody(store: Plant) -> None:
    name, face, rack, staging = await item(store), fresh("face"), fresh("rack"), fresh("staging")
    for where, kind in ((face, "STORAGE"), (rack, "STORAGE"), (staging, "STAGING")):
        await place(store, where, kind)
    await stocked(store, name, 12, where=face)
    made = await policy(store, name, "", location=at(face))
    await activate(store, made.name, kind="PICK_FACE", reorder_point=10, maximum=30, multiple=5)
    await jobs.fill_places(units(store))
    assert await tasks_of(store, name) == []
    claim = await demand(store, name, 4, staging)
    await waved(store, claim)  # a pick of 4 from the face: 12 - 4 is below 10
    await jobs.fill_places(units(store))  # nothing is there to fill it with, and nothing was decided
    assert store.value("materials", "select count(*) from decision where item = %s and kind <> 'ALLOCATION'", name) == 0
    await stocked(store, name, 100, where=rack)
    after = position(store)
    await asyncio.gather(*(jobs.fill_places(units(store)) for _ in range(3)))
    task = await only(store, name, "REPLENISH")
    assert (task.from_location, task.proposed_location, task.quantity) == (at(rack), at(face), q(25))  # 22 in fives
    kept = await store("vic", decisions_pb2.ExplainDecisionRequest(name=task.decision))
    assert kept.explanation == [
        "on hand 12", "on tasks 0", "open picks 4", "position 8", "reorder point 10", "22 in multiples of 5 is 25",
        "PICK_FACE asks for 25",
    ]  # fmt: skip
    await jobs.fill_places(units(store))
    assert [row.name for row in await tasks_of(store, name, "REPLENISH")] == [task.name]
    await start(store, task)
    await confirm(store, task, face)
    assert (await get(store, task)).state == Task.COMPLETED
    await jobs.fill_places(units(store))
    assert await tasks_of(store, name, "REPLENISH") == []
    assert "ReplenishmentNeeded" not in [event.DESCRIPTOR.name for event in told(store, after=after)]


@pytest.mark.rule("MAT-171")
async def test_two_faces_share_what_is_there_and_a_full_one_gets_nothing(store: Plant) -> None:
    name, rack = await item(store, gross_weight=q(1, "KGM")), fresh("rack")
    faces = [fresh("face") for _ in range(3)]
    await place(store, rack)
    await stocked(store, name, 25, where=rack)
    for where in faces:
        await place(store, where, limits={"max_weight": q(5 if where == faces[2] else 99, "KGM")})
        made = await policy(store, name, "", location=at(where))
        await activate(store, made.name, kind="PICK_FACE", reorder_point=1, maximum=20)
    await jobs.fill_places(units(store))
    found = {task.proposed_location: task.quantity.value for task in await tasks_of(store, name, "REPLENISH")}
    assert (set(found), sorted(found.values())) == ({at(where) for where in faces[:2]}, ["20", "5"])


@pytest.mark.parametrize(
    ("selector", "given", "field"),
    [
        ({"site": "hamburg"}, {"kind": "PICK_FACE", "maximum": 20}, "kind"),
        ({"site": "hamburg"}, {"kind": "KANBAN", "order_quantity": 5, "card_count": 0}, "card_count"),
        ({"site": "hamburg"}, {"kind": "KANBAN", "card_count": 1}, "order_quantity"),
        ({"site": "hamburg"}, {"kind": "KANBAN", "order_quantity": 5, "card_count": 1, "multiple": 2}, "multiple"),
        ({"site": ""}, {"kind": "KANBAN", "order_quantity": 5, "card_count": 1}, "kind"),
        ({"site": "hamburg"}, {"outcome": "MOVE"}, "outcome"),
        ({"site": "", "location": at("bin")}, {"kind": "MIN_MAX", "maximum": 20}, "kind"),
        ({"site": "", "location": at("bin")}, {"kind": "PICK_FACE", "maximum": 20, "outcome": "BUY"}, "outcome"),
    ],
)
async def test_a_kind_fits_where_its_policy_holds(
    store: Plant, selector: dict[str, str], given: dict[str, Any], field: str
) -> None:
    made = await policy(store, await item(store), **selector)
    with pytest.raises(Refused) as refused:
        await draft(store, made.name, **given)
    assert refused.value.fields == [f"materials_revision.{field}"]


async def test_a_policy_of_a_place_names_an_item_that_tasks_can_bring_there(store: Plant) -> None:
    name = await item(store)
    weight = items_pb2.Item.CatchWeight(unit_code="KGM", nominal=number("2.5"), tolerance_percent=number(10))
    weighed = await item(store, catch_weight=weight)
    for selector, field in (
        ({"location": at("bin"), "item": ""}, "item"),
        ({"location": at("hall"), "item": name}, "location"),
        ({"location": at("nowhere"), "item": name}, "location"),
        ({"location": at("bin"), "item": name, "site": "bremen"}, "site"),
        ({"location": at("bin"), "item": weighed}, "item"),
    ):
        with pytest.raises(Refused) as refused:
            await policy(store, **{"site": "", **selector})
        assert refused.value.fields == [f"materials_policy.{field}"]


async def test_stock_that_is_moved_away_fills_no_face_twice(store: Plant) -> None:
    name, rack, face = await item(store), fresh("rack"), fresh("face")
    for where in (rack, face):
        await place(store, where)
    await stocked(store, name, 8, where=rack)
    made = await policy(store, name, "", location=at(face))
    await activate(store, made.name, kind="PICK_FACE", reorder_point=5, maximum=10)
    await jobs.fill_places(units(store))
    assert [task.quantity for task in await tasks_of(store, name)] == [q(8)]  # as much as there is
    await post(store, movement("OPENING", name, 1, to_location=at("dock")))
    await jobs.fill_places(units(store))
    assert len(await tasks_of(store, name)) == 1
