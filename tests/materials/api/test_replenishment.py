"""Replenishment: what the position counts, who is asked when, and that nothing is asked twice."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from plantops.maintenance.v1 import events_pb2 as maintenance
from plantops.materials.v1 import decisions_pb2, policies_pb2, production_pb2, receipts_pb2
from plantops.procurement.v1 import events_pb2 as procurement

from services.materials import jobs
from services.materials.model import replenishing
from tests.materials.builders import (
    SITE,
    ago,
    at,
    day,
    expected,
    fresh,
    item,
    kinds_told,
    movement,
    numbered,
    ordered,
    place,
    position,
    post,
    purchase_order,
    q,
    received,
    reserved,
    scanned,
    stocked,
    tell,
    told,
)
from tests.materials.policies import (
    activate,
    approve,
    change,
    draft,
    in_force,
    number,
    policy,
    read,
    requests_of,
    submit,
)
from tests.materials.production import component, ordering
from tests.plant import Refused
from tests.statements import Statements, statements_of
from tests.world import Plant, site_today

Request = policies_pb2.SupplyRequest
Revision = policies_pb2.MaterialsRevision
YESTERDAY = timedelta(days=-1)


@pytest.fixture
def statements(store: Plant) -> Iterator[Statements]:
    with statements_of(store.processes["materials"].engine) as found:
        yield found


def units(plant: Plant) -> Any:
    return plant.processes["materials"].commands.open_unit


async def total(plant: Plant, name: str) -> list[str]:
    """What was asked for."""
    return [row.quantity.value for row in await requests_of(plant, name)]


@pytest.mark.rule("MAT-164")
@pytest.mark.rule("MAT-168")
@pytest.mark.parametrize("overdue", ["COUNT", "EXCLUDE"])
async def test_one_late_truck_is_expedited_and_orders_nothing_unless_it_is_excluded(store: Plant, overdue: str) -> None:
    name, order = await item(store), purchase_order()
    late = await expected(store, name, 30, order=order, expected=site_today() + YESTERDAY)
    await in_force(store, name, overdue=overdue, delay_days=4)
    if overdue == "COUNT":
        assert await requests_of(store, name) == []
        await reserved(store, name, 25)  # now something is needed, and what was counted is told
        (event,) = told(store, "ReplenishmentNeeded")[-1:]
        (supply,) = event.supplies
        assert (event.item, supply.kind, supply.resource, supply.quantity) == (name, "ORDER", late, q(30))
        assert (supply.expected_date, supply.expedite) == (day(site_today() + timedelta(days=4)), True)
        (request,) = await requests_of(store, name)
        assert [row.resource for row in request.supplies if row.expedite] == [late]
    else:
        assert await total(store, name) == ["24"]
        anew = ordered(procurement.PurchaseOrderChanged, order, name, 30, expected=site_today())
        await tell(store, "procurement", anew)
        await post(store, movement("OPENING", name, 1, to_location=at("shelf")))
        await post(store, movement("ADJUST", name, 1, from_location=at("shelf")))  # asked again: it is promised anew
        assert await total(store, name) == ["24"]


@pytest.mark.rule("MAT-169")
@pytest.mark.rule("MAT-164")
async def test_an_order_that_is_set_aside_covers_nothing_and_is_received_all_the_same(store: Plant) -> None:
    name, order = await item(store), purchase_order()
    await in_force(store, name, reorder_point=0, order_quantity=10)
    await store.settle()
    await expected(store, name, 20, order=order, expected=site_today())
    await reserved(store, name, 14)
    before = await total(store, name)
    after = position(store)
    changed = ordered(procurement.PurchaseOrderChanged, order, name, 20, expected=site_today())
    changed.lines[0].schedules[0].set_aside = True
    await tell(store, "procurement", changed)
    assert "ReplenishmentNeeded" in kinds_told(store, after)
    assert await total(store, name) != before
    row = await store(
        "vic", receipts_pb2.GetExpectedReceiptRequest(name=f"{SITE}/expectedReceipts/{order.rsplit('/')[-1]}-1-1")
    )
    assert (row.set_aside, row.state) == (True, row.OPEN)
    await received(store, scanned(name, 20))


@pytest.mark.rule("MAT-164")
async def test_demand_beyond_the_horizon_does_not_count(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 20)
    await in_force(store, name, horizon_days=7)
    await reserved(store, name, 15, need=datetime.now(UTC) + timedelta(days=9))
    assert await total(store, name) == []
    await reserved(store, name, 15, need=datetime.now(UTC) + timedelta(days=6))
    assert await total(store, name) == ["24"]


@pytest.mark.rule("MAT-164")
async def test_released_production_is_demand_for_its_components_and_supply_of_its_item(store: Plant) -> None:
    part, made = await item(store, "part"), await item(store, "made")
    for name in (part, made):
        await stocked(store, name, 20)
        await in_force(store, name)
    await place(store, "line", "STAGING")
    order = await store(
        "mara", ordering(made, 5, components=[production_pb2.ProductionOrder.Component(component=component(part, 2))])
    )
    await ask(store, part, made)
    assert await total(store, part) == []  # planned, not released
    await store("mara", production_pb2.ReleaseOrderRequest(name=order.name))
    await ask(store, part, made)
    assert (await total(store, part), await total(store, made)) == (["24"], [])
    await reserved(store, made, 14)
    assert await total(store, made) == []  # 20 + 5 being made - 14
    await reserved(store, made, 1)
    assert await total(store, made) == ["24"]


async def ask(plant: Plant, *items: str) -> None:
    async with units(plant)() as unit:
        await replenishing.ask(unit, "hamburg", *items)


@pytest.mark.rule("MAT-165")
@pytest.mark.rule("MAT-164")
async def test_a_periodic_policy_asks_once_at_each_review(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 20)
    revision = await in_force(store, name, kind="PERIODIC", reorder_point=0, maximum=50, review_days=7)
    assert await total(store, name) == ["30"]
    await reserved(store, name, 15)
    await ask(store, name)
    assert await total(store, name) == ["30"]
    with store.look("materials") as connection:  # a week has gone
        connection.execute("update policy_review set review_date = review_date - 7 where item = %s", [name])
        connection.execute(
            "update materials_revision set effective_time = effective_time - interval '7 days' where name = %s",
            [revision.name],
        )
    await asyncio.gather(*(jobs.ask_policies(units(store)) for _ in range(2)))
    assert await total(store, name) == ["45"]


@pytest.mark.rule("MAT-164")
@pytest.mark.rule("MAT-168")
async def test_what_is_bought_for_a_shortage_between_reviews_is_not_asked_again(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    await in_force(store, name, kind="PERIODIC", reorder_point=0, maximum=10, review_days=7)
    claim = await reserved(store, name, 15)
    assert (claim.cover, await total(store, name)) == (claim.UNCOVERED, [])
    await store.settle()  # a requisition for the 5 that are short
    with store.look("materials") as connection:
        connection.execute("delete from policy_review where item = %s", [name])
    await ask(store, name)
    (request,) = await requests_of(store, name)
    assert [(row.kind, row.quantity) for row in request.supplies] == [("REQUISITION", q(5))]
    assert request.quantity == q(10)


@pytest.mark.rule("MAT-164")
async def test_consigned_stock_is_not_counted(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 30)
    await in_force(store, name)
    with store.look("materials") as connection:
        connection.execute("update balance set owner = 'suppliers/acme' where item = %s and not virtual", [name])
    try:
        async with units(store)() as unit:
            assert await replenishing.needy(unit, "hamburg", [name]) == [name]
    finally:
        with store.look("materials") as connection:
            connection.execute("update balance set owner = '' where item = %s and not virtual", [name])


@pytest.mark.rule("MAT-166")
async def test_what_is_asked_for_comes_in_multiples(store: Plant) -> None:
    for cap, wanted in ((False, "48"), (True, "36")):
        name = await item(store)
        await stocked(store, name, 9)
        await in_force(store, name, kind="MIN_MAX", maximum=50, multiple=12, cap_at_max=cap)
        (request,) = await requests_of(store, name)
        assert (request.quantity.value, request.explanation[-1]) == (wanted, f"MIN_MAX asks for {wanted}")


@pytest.mark.rule("MAT-167")
async def test_many_who_ask_at_once_open_one_request(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 30)
    await in_force(store, name)
    after = position(store)
    with store.look("materials") as connection:  # stock goes, and nobody has asked
        connection.execute("update balance set on_hand = on_hand - 25 where item = %s and not virtual", [name])
    try:
        await asyncio.gather(*(ask(store, name) for _ in range(8)), *(jobs.ask_policies(units(store)) for _ in "ab"))
        assert (await total(store, name), kinds_told(store, after)) == (["24"], ["ReplenishmentNeeded"])
    finally:
        with store.look("materials") as connection:
            connection.execute("update balance set on_hand = on_hand + 25 where item = %s and not virtual", [name])


@pytest.mark.rule("MAT-162")
@pytest.mark.rule("MAT-167")
async def test_a_request_names_the_decision_that_asked_for_its_total(store: Plant) -> None:
    name = await item(store)
    revision = await in_force(store, name, outcome="TRANSFER", source_site=await other_site(store))
    (request,) = await requests_of(store, name)
    assert (request.outcome, request.source_site) == ("TRANSFER", "sites/bremen")
    decision = await store("vic", decisions_pb2.ExplainDecisionRequest(name=request.decision))
    assert (decision.kind, decision.item, decision.revision) == ("REPLENISHMENT", name, revision.name)
    assert decision.explanation == request.explanation
    assert json.loads(decision.outcome)["quantity"] == "24"
    (event,) = told(store, "ReplenishmentNeeded")[-1:]
    assert (event.decision, event.outcome, event.source_site) == (request.decision, "TRANSFER", "sites/bremen")
    await store.settle()  # procurement has nothing to do with it
    assert (await read(store, request)).state == Request.OPEN


async def other_site(plant: Plant) -> str:
    """Another site that is known."""
    if plant.value("materials", "select count(*) from site_fact where name = 'sites/bremen'") == 0:
        with plant.look("materials") as connection:
            connection.execute(
                "insert into site_fact (name, time_zone, currency_code) values ('sites/bremen', 'Europe/Berlin', 'EUR')"
            )
    return "sites/bremen"


@pytest.mark.rule("MAT-160")
async def test_the_most_specific_policy_asks_for_what_a_site_keeps(store: Plant) -> None:
    kind = fresh("class")
    plain, special, elsewhere = [await item(store, item_class=kind) for _ in range(3)]
    for name in (plain, special):
        await stocked(store, name, 5)
    made = await policy(store, site="", item_class=kind)
    everywhere = await activate(store, made.name, kind="MIN_MAX", maximum=20)
    here = await activate(store, (await policy(store, item_class=kind)).name, kind="MIN_MAX", maximum=30)
    exactly = await in_force(store, special, kind="MIN_MAX", maximum=40)
    await jobs.ask_policies(units(store))
    found = {name: await requests_of(store, name) for name in (plain, special, elsewhere)}
    assert [(row.quantity.value, row.policy_revision) for row in found[plain]] == [("25", here.name)]
    assert [(row.quantity.value, row.policy_revision) for row in found[special]] == [("35", exactly.name)]
    assert found[elsewhere] == []  # the site does not keep it
    assert everywhere.state == Revision.ACTIVE


@pytest.mark.rule("MAT-160")
async def test_of_two_policies_for_the_same_class_the_second_is_refused_at_submission(store: Plant) -> None:
    kind = fresh("class")
    first, twin = [await policy(store, item_class=kind) for _ in range(2)]
    await submit(store, (await draft(store, first.name)).name)
    made = await draft(store, twin.name)
    with pytest.raises(Refused) as refused:
        await submit(store, made.name)
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "AMBIGUOUS_SCOPE")
    assert refused.value.metadata["policy"] == first.name


@pytest.mark.rule("MAT-161")
async def test_who_changed_a_draft_does_not_approve_it(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 100)
    revision = await draft(store, (await policy(store, name)).name)
    changed = await change(store, revision.name, order_quantity=30)
    assert (changed.order_quantity.value, list(changed.editors)) == ("30", [])  # the author's own change
    olga = await another_planner(store)
    made = policies_pb2.MaterialsRevision(name=revision.name, maximum=number(60))
    changed = await olga(policies_pb2.UpdateMaterialsRevisionRequest(materials_revision=made))
    assert list(changed.editors) == ["people/olga"]
    submitted = await submit(store, revision.name)
    with pytest.raises(Refused) as editor:
        await olga(
            policies_pb2.ApproveMaterialsRevisionRequest(name=revision.name, content_hash=submitted.content_hash)
        )
    assert (editor.value.code, editor.value.reason) == ("PERMISSION_DENIED", "SEGREGATION_OF_DUTIES")
    with pytest.raises(Refused) as late:
        await change(store, revision.name, order_quantity=40)
    assert (late.value.code, late.value.reason) == ("FAILED_PRECONDITION", "REVISION_IMMUTABLE")
    await approve(store, submitted)


async def another_planner(plant: Plant) -> Any:
    """Client of a second stockplanner."""
    told_of = maintenance.PersonChanged(person="people/olga", state="ACTIVE")
    told_of.grants.add(role="stockplanner", site="-").from_time.CopyFrom(ago(days=1))
    await tell(plant, "maintenance", numbered(told_of, "people/olga"))
    return plant.client("materials", "people/olga", {"-": ["stockplanner"]})


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"kind": "PERIODIC", "maximum": 50}, "review_days"),
        ({"kind": "PERIODIC", "review_days": 7}, "maximum"),
        ({"review_days": 7}, "review_days"),
        ({"multiple": 0}, "multiple"),
        ({"cap_at_max": True, "multiple": 12}, "cap_at_max"),
        ({"kind": "MIN_MAX", "maximum": 50, "cap_at_max": True}, "cap_at_max"),
        ({"outcome": "TRANSFER"}, "source_site"),
        ({"source_site": SITE}, "source_site"),
        ({"outcome": "TRANSFER", "source_site": SITE}, "source_site"),
        ({"outcome": "TRANSFER", "source_site": "sites/nowhere"}, "source_site"),
    ],
)
async def test_parameters_that_contradict_each_other_are_refused(
    store: Plant, given: dict[str, Any], field: str
) -> None:
    made = await policy(store, await item(store))
    with pytest.raises(Refused) as refused:
        await draft(store, made.name, **given)
    assert (refused.value.reason, refused.value.fields) == ("FIELD_INVALID", [f"materials_revision.{field}"])


@pytest.mark.rule("MAT-165")
async def test_a_reorder_point_is_proposed_on_the_grid_of_the_item(store: Plant) -> None:
    request = policies_pb2.ProposeReorderPointRequest(
        item=await item(store), time_unit_code="DAY", mean_demand=number(150), demand_deviation=number(16),
        mean_lead_time=number(5), lead_time_deviation=number(1), safety_factor=number("1.65"),
    )  # fmt: skip
    answer = await store("mara", request)
    assert (answer.safety_stock, answer.reorder_point) == (q(255), q(1005))
    assert answer.explanation[0] == "all times in DAY"
    request.mean_demand.value = "-1"
    with pytest.raises(Refused) as refused:
        await store("mara", request)
    assert refused.value.fields == ["mean_demand"]


@pytest.mark.rule("MAT-164")
async def test_many_items_are_asked_with_as_many_statements_as_few(store: Plant, statements: Statements) -> None:
    kind, counts = fresh("class"), {}
    await activate(store, (await policy(store, item_class=kind)).name)
    for size in (2, 12):
        names = [await item(store, item_class=kind) for _ in range(size)]
        for name in names:
            await post(store, movement("OPENING", name, 1, to_location=at("shelf")))
        async with units(store)() as unit:
            assert await replenishing.needy(unit, "hamburg", names) == sorted(names)
        seen = len(statements.with_part("join expected_receipt e on e.site"))
        await ask(store, *names)
        asked = len(statements.with_part("INSERT INTO supply_request"))
        counts[size] = (seen, asked)
        assert [await total(store, name) for name in names] == [["24"]] * size
    assert counts[2] == counts[12]
