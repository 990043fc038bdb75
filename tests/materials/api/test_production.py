"""Production orders through the api: made, staged for, issued to, ended."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal as D
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from plantops.materials.v1 import locations_pb2, movements_pb2, production_pb2, tasks_pb2

from tests.materials.builders import (
    SITE,
    at,
    balances,
    call,
    check,
    contents,
    day,
    eur,
    fresh,
    item,
    lot,
    movement,
    place,
    q,
    reserved,
    stocked,
)
from tests.materials.production import (
    PLANNER,
    WORKER,
    amount,
    bill,
    component,
    line,
    on_hand,
    ordered,
    ordering,
    output,
    read,
    reported,
    some,
    staged,
)
from tests.plant import Refused
from tests.world import Plant, site_today

Order = production_pb2.ProductionOrder


@pytest.fixture(scope="module")
async def works(store: Plant) -> AsyncIterator[Plant]:
    """The site with a place at the line; in the end the ledger is whole."""
    await line(store)
    yield store
    assert await check(store) == []


async def refusal(plant: Plant, request: Any, person: str = WORKER) -> Refused:
    """How a request is refused, which is another command each time; nothing is changed by it."""
    request.request_id = str(uuid4())
    before = contents(plant)
    with pytest.raises(Refused) as refused:
        await call(plant, person, request)
    assert contents(plant) == before
    return refused.value


def id_of(order: Any) -> str:
    return str(order.name.rsplit("/", 1)[-1])


def step(number: int, **given: Any) -> Any:
    """An operation."""
    return Order.Operation(operation=number, **given)


@pytest.mark.rule("MAT-120")
@pytest.mark.rule("MAT-130")
async def test_an_order_bears_its_revision_its_needs_and_a_place_for_each_operation(works: Plant) -> None:
    screw, oil = await item(works), await item(works, base_unit_code="LTR", base_step={"value": "0.01"})
    made = await bill(
        works, [component(screw, 4), component(oil, 1, 8, operation=20, scrap_percent=50, over_percent=5)]
    )
    order = await works(PLANNER, ordering(made, 10, asset="sites/hamburg/assets/line-1"))
    assert (order.state, order.number[:3], order.quantity.value) == (Order.PLANNED, "PO-", "10")
    assert order.structure_revision.startswith("structures/")
    assert [(row.component.item, row.required.value, row.component.operation) for row in order.components] == [
        (screw, "40", 10), (oil, "2.5", 20),
    ]  # fmt: skip
    assert [(row.operation, row.asset) for row in order.operations] == [
        (10, "sites/hamburg/assets/line-1"), (20, "sites/hamburg/assets/line-1"),
    ]  # fmt: skip
    where = await works("vic", locations_pb2.GetLocationRequest(name=order.operations[0].location))
    assert where.kind == locations_pb2.Location.WIP
    by_hand = locations_pb2.Location(title="x", kind="WIP")
    refused = await refusal(works, locations_pb2.CreateLocationRequest(parent=SITE, location=by_hand), PLANNER)
    assert refused.fields == ["location.kind"]
    listed = await works("vic", production_pb2.ListProductionOrdersRequest(parent=SITE, filter=f'item = "{made}"'))
    assert [row.name for row in listed.production_orders] == [order.name]


@pytest.mark.rule("MAT-130")
async def test_an_order_of_another_system_comes_once_with_its_own_bill(works: Plant) -> None:
    made, used, chips = [await item(works) for _ in range(3)]
    external = fresh("erp")
    given: dict[str, Any] = {
        "source_system": "erp", "external_id": external, "base_quantity": q(100),
        "components": [Order.Component(component=component(used, 50, operation=30))],
        "outputs": [Order.Output(output=output(chips, "BY_PRODUCT", 1, unit_value=eur(1)))],
        "operations": [step(30, title="Weld"), step(40)],
    }  # fmt: skip
    order = await works(PLANNER, ordering(made, 7, **given))
    assert (order.structure_revision, order.components[0].required.value) == ("", "4")
    assert [(row.operation, row.title) for row in order.operations] == [(30, "Weld"), (40, "")]
    assert (await refusal(works, ordering(made, 7, **given), PLANNER)).reason == "ORDER_EXISTS"
    for broken, field in (
        ({"external_id": ""}, "external_id"),
        ({"structure_revision": "structures/x/structureRevisions/y"}, "structure_revision"),
        ({"operations": [step(40)]}, "operations"),
        ({"operations": [step(30), step(30)]}, "operations"),
        ({"base_quantity": q(0)}, "base_quantity.value"),
        ({"line_location": at("shelf")}, "line_location"),
        ({"output_location": at("hall")}, "output_location"),
        ({"components": [Order.Component(component=component(made))]}, "components"),
    ):
        request = ordering(made, 7, **{**given, "external_id": fresh("erp"), **broken})
        assert (await refusal(works, request, PLANNER)).fields == [f"production_order.{field}"]
    assert (await refusal(works, ordering(made, 1), PLANNER)).fields == ["production_order.item"]
    assert (await refusal(works, ordering(made, 0), PLANNER)).fields == ["production_order.quantity.value"]
    other = await works(PLANNER, ordering(await bill(works, [component(used)]), 1))
    refused = await refusal(works, ordering(made, 1, structure_revision=other.structure_revision), PLANNER)
    assert refused.fields == ["production_order.structure_revision"]


@pytest.mark.rule("MAT-120")
@pytest.mark.rule("MAT-123")
async def test_staged_stock_stays_stock_that_nobody_else_takes(works: Plant) -> None:
    used = await item(works, tracking="LOT", standard_cost=eur(3))
    made = await bill(works, [component(used, 2)])
    soon = await lot(works, used, expire_date=day(site_today() + timedelta(days=5)))
    late = await lot(works, used, expire_date=day(site_today() + timedelta(days=50)))
    gone = await lot(works, used, expire_date=day(site_today() - timedelta(days=1)))
    await stocked(works, used, 3, lot=soon)
    await stocked(works, used, 10, "bin", lot=late)
    await stocked(works, used, 9, lot=gone)
    order = await ordered(works, made, 5)
    moved = await staged(works, order.name, 2)
    assert [(row.lot, row.quantity.value, row.location) for row in moved.stocks] == [
        (soon, "3", at("shelf")), (late, "1", at("bin")),
    ]  # fmt: skip
    posted = await works("vic", movements_pb2.GetMovementRequest(name=moved.movement))
    assert {(entry.project, entry.value.units) for entry in posted.entries} == {("", 0), (order.name, 0)}
    assert posted.source == order.name
    again = await staged(works, order.name, 1)
    assert [row.quantity.value for row in again.stocks] == ["2"]
    shown = await read(works, order.name)
    assert (shown.components[0].at_line.value, shown.operations[0].staged_units.value) == ("6", "3")
    by_hand = movement("MOVE", used, 1, lot=soon, from_location=at("line"), to_location=at("bin"))
    refused = await refusal(works, movements_pb2.CreateMovementRequest(parent=SITE, movement=by_hand), "stella")
    assert refused.reason == "NOT_ENOUGH_STOCK"
    claim = await reserved(works, used, 20)
    assert claim.allocated.value == "7"
    short = production_pb2.StageOrderRequest(name=order.name, quantity=q(2))
    assert (await refusal(works, short)).reason == "NOT_ENOUGH_STOCK"
    reversal = movements_pb2.ReverseMovementRequest(name=moved.movement, reason="test")
    assert (await refusal(works, reversal, "stella")).reason == "BELONGS_TO_DOCUMENT"


@pytest.mark.rule("MAT-120")
async def test_components_are_handed_out_brought_back_and_destroyed(works: Plant) -> None:
    used = await item(works, standard_cost=eur(4))
    made = await bill(works, [component(used, 1)])
    await stocked(works, used, 20)
    order = await ordered(works, made, 10)
    await staged(works, order.name, 3)
    wip = order.operations[0].location.rsplit("/", 1)[-1]
    mine = order.name.rsplit("/", 1)[-1]
    moved = await works(WORKER, production_pb2.IssueComponentsRequest(name=order.name, stocks=[some(1, 5)]))
    assert [(row.location, row.quantity.value) for row in moved.stocks] == [(at("line"), "3"), (at("shelf"), "2")]
    assert await on_hand(works, used) == {("shelf", ""): 15, (wip, mine): 5}
    shown = await read(works, order.name)
    assert (shown.state, shown.components[0].in_process.value) == (Order.STARTED, "5")
    back = production_pb2.ReturnComponentsRequest(name=order.name, stocks=[some(1, 2)], location=at("bin"))
    await works(WORKER, back)
    gone = production_pb2.ScrapWipRequest(name=order.name, stocks=[some(1, 1)], reason_code="BENT")
    scrapped = await works(WORKER, gone)
    assert await on_hand(works, used) == {("shelf", ""): 15, ("bin", ""): 2, (wip, mine): 2}
    posted = await works("vic", movements_pb2.GetMovementRequest(name=scrapped.movement))
    assert (posted.kind, posted.reason_code) == (movements_pb2.Movement.SCRAP, "BENT")
    assert amount((await read(works, order.name)).consumed_value) == 4
    for request, why in (
        (production_pb2.IssueComponentsRequest(name=order.name, stocks=[some(2, 1)]), "FIELD_INVALID"),
        (production_pb2.IssueComponentsRequest(name=order.name, stocks=[some(1, 0)]), "FIELD_INVALID"),
        (production_pb2.IssueComponentsRequest(name=order.name, stocks=[some(1, 99)]), "NOT_ENOUGH_STOCK"),
        (production_pb2.ScrapWipRequest(name=order.name, stocks=[some(1, 3)], reason_code="x"), "NOT_ENOUGH_STOCK"),
        (
            production_pb2.ReturnComponentsRequest(name=order.name, stocks=[some(1, 3)], location=at("bin")),
            "NOT_ENOUGH_STOCK",
        ),
    ):
        assert (await refusal(works, request)).reason == why
    into = movement("MOVE", used, 1, from_location=at("shelf"), to_location=order.operations[0].location)
    refused = await refusal(works, movements_pb2.CreateMovementRequest(parent=SITE, movement=into), "stella")
    assert refused.reason == "LOCATION_LOCKED"


@pytest.mark.rule("MAT-120")
async def test_what_comes_back_from_an_order_goes_to_who_waits(works: Plant) -> None:
    used = await item(works)
    order = await ordered(works, await bill(works, [component(used)]), 5)
    await stocked(works, used, 5)
    await staged(works, order.name, 5)
    claim = await reserved(works, used, 2)
    assert claim.short.value == "2"
    back = production_pb2.ReturnComponentsRequest(name=order.name, stocks=[some(1, 3)], location=at("shelf"))
    await works(WORKER, back)
    assert await balances(works, used) == {("shelf", "UNRESTRICTED"): (3, 2), ("line", "UNRESTRICTED"): (2, 0)}


@pytest.mark.rule("MAT-120")
async def test_states_follow_each_other(works: Plant) -> None:
    used = await item(works)
    made = await bill(works, [component(used)])
    await stocked(works, used, 9)
    order = await works(PLANNER, ordering(made, 5))
    early = production_pb2.StageOrderRequest(name=order.name, quantity=q(1))
    refused = await refusal(works, early)
    assert (refused.reason, refused.metadata["allowed"]) == ("TRANSITION_NOT_ALLOWED", "CANCELLED, RELEASED")
    for kind in (production_pb2.CompleteOrderRequest, production_pb2.CloseOrderRequest):
        assert (await refusal(works, kind(name=order.name), PLANNER)).reason == "TRANSITION_NOT_ALLOWED"
    await works(PLANNER, production_pb2.ReleaseOrderRequest(name=order.name))
    await staged(works, order.name, 1)
    cancelling = production_pb2.CancelOrderRequest(name=order.name, reason="not wanted")
    assert (await refusal(works, cancelling, PLANNER)).reason == "WIP_NOT_EMPTY"
    await works(
        WORKER, production_pb2.ReturnComponentsRequest(name=order.name, stocks=[some(1, 1)], location=at("shelf"))
    )
    cancelling.request_id = str(uuid4())
    assert (await works(PLANNER, cancelling)).state == Order.CANCELLED
    where = await works("vic", locations_pb2.GetLocationRequest(name=order.operations[0].location))
    assert [lock.direction for lock in where.locks] == [locations_pb2.Location.INACTIVE]


@pytest.mark.rule("MAT-121")
async def test_an_order_closes_when_nothing_is_in_process_and_the_rest_of_the_value_is_its_variance(
    works: Plant,
) -> None:
    used = await item(works, standard_cost=eur(10))
    made = await bill(works, [component(used)])
    await stocked(works, used, 9)
    order = await ordered(works, made, 5)
    await staged(works, order.name, 5)
    await works(WORKER, production_pb2.IssueComponentsRequest(name=order.name, stocks=[some(1, 4)]))
    await reported(works, order.name, 2, scrap=1)
    await works(PLANNER, production_pb2.CompleteOrderRequest(name=order.name))
    reopening = production_pb2.ReopenOrderRequest(name=order.name, reason="one more")
    assert (await works(PLANNER, reopening)).state == Order.STARTED
    await works(PLANNER, production_pb2.CompleteOrderRequest(name=order.name))
    assert await on_hand(works, used) == {
        ("shelf", ""): 4, ("line", ""): 1, (order.operations[0].location.rsplit("/", 1)[-1], id_of(order)): 1,
    }  # fmt: skip
    closing = production_pb2.CloseOrderRequest(name=order.name)
    refused = await refusal(works, closing, PLANNER)
    assert (refused.reason, refused.metadata["quantity"], refused.metadata["location"]) == (
        "WIP_NOT_EMPTY", "1", order.operations[0].location,
    )  # fmt: skip
    with_reason = production_pb2.CloseOrderRequest(name=order.name, variance_reason="LOST")
    with_reason.request_id = str(uuid4())
    closed = await works(PLANNER, with_reason)
    assert (closed.state, amount(closed.consumed_value), amount(closed.output_value)) == (Order.CLOSED, 40, 30)
    assert amount(closed.variance_value) == 10
    found = await works("vic", movements_pb2.ListMovementsRequest(parent=SITE, filter=f'source = "{order.name}"'))
    assert [row.kind for row in found.movements if row.reason_code == "LOST"] == [
        movements_pb2.Movement.CONSUME, movements_pb2.Movement.REVALUE,
    ]  # fmt: skip
    assert (await refusal(works, closing, PLANNER)).reason == "TRANSITION_NOT_ALLOWED"


@pytest.mark.rule("MAT-128")
async def test_nothing_is_staged_while_so_much_is_in_process(works: Plant) -> None:
    used = await item(works, standard_cost=eur(2))
    made = await bill(works, [component(used), component(used, operation=20)])
    await stocked(works, used, 99)
    asset = f"{SITE}/assets/{fresh('press')}"
    minute = Duration(seconds=90)
    steps = [
        step(10, asset=asset, wip_limit=q(4), min_units=q(2), max_units=q(4), unit_duration=minute), step(20),
    ]  # fmt: skip
    first, second = [await ordered(works, made, 50, operations=steps) for _ in range(2)]
    await staged(works, first.name, 3, operation=10)
    await staged(works, second.name, 2, operation=10)
    for order in (first, second):
        request = production_pb2.StageOrderRequest(name=order.name, quantity=q(1), operation=10)
        refused = await refusal(works, request)
        assert (refused.reason, refused.metadata["units"], refused.metadata["limit"]) == ("WIP_LIMIT_REACHED", "5", "4")
    wip = await works("vic", production_pb2.GetWipRequest(name=first.name))
    (ten, twenty) = wip.rows
    assert (ten.units.value, ten.line_units.value, ten.hours.value, ten.below_minimum, ten.above_maximum) == (
        "3", "5", "0.075", False, False,
    )  # fmt: skip
    assert (twenty.units.value, twenty.HasField("oldest_time"), ten.HasField("oldest_time")) == ("0", False, True)
    await reported(works, first.name, 2, operation=10)
    await staged(works, second.name, 1, operation=10)
    wip = await works("vic", production_pb2.GetWipRequest(name=first.name))
    assert [(row.units.value, row.waiting_units.value, row.below_minimum) for row in wip.rows] == [
        ("1", "0", True), ("0", "2", False),
    ]  # fmt: skip
    assert [amount(row.value) for row in wip.rows] == [D(4), D(0)]
    assert amount(wip.value) == 4
    await staged(works, second.name, 1, operation=20)  # no limit there


@pytest.mark.rule("MAT-128")
async def test_too_much_and_too_little_in_process_are_tasks_until_they_are_right(works: Plant) -> None:
    """At least 2, at most 4: 5 are too much, 3 right, 1 too little while more is to come, 0 at the end are not."""
    used = await item(works, standard_cost=eur(2))
    made = await bill(works, [component(used)])
    await stocked(works, used, 99)
    order = await ordered(works, made, 8, operations=[step(10, min_units=q(2), max_units=q(4))])
    place = order.operations[0].location

    async def asked() -> list[tuple[str, str]]:
        rows = works.rows(
            "materials", "select state, note from put_away_task where from_location = %s and kind = 'EXCEPTION_TASK'"
            " order by create_time, name", place,
        )  # fmt: skip
        return [(state, note.rpartition(", ")[2]) for state, note in rows]

    await staged(works, order.name, 5)
    await staged(works, order.name, 1)
    assert await asked() == [("READY", "more than 4")]
    await reported(works, order.name, 3)
    assert await asked() == [("COMPLETED", "the level is right again")]
    await reported(works, order.name, 2)
    assert (await asked())[1:] == [("READY", "less than 2")]
    await staged(works, order.name, 2)
    assert (await asked())[1:] == [("COMPLETED", "the level is right again")]
    await reported(works, order.name, 3)
    assert len(await asked()) == 2


@pytest.mark.rule("MAT-120")
async def test_stock_to_stage_may_be_named(works: Plant) -> None:
    used = await item(works, tracking="LOT")
    order = await ordered(works, await bill(works, [component(used)]), 5)
    lots = [await lot(works, used) for _ in range(2)]
    for name in lots:
        await stocked(works, used, 3, lot=name)
    await place(works, "line-2", "STAGING")
    moved = await staged(
        works, order.name, 2, stocks=[some(1, 2, lot=lots[1], location=at("shelf"))], location=at("line-2")
    )
    assert [(row.lot, row.quantity.value) for row in moved.stocks] == [(lots[1], "2")]
    for broken, field in (
        ({"location": at("shelf")}, "location"),
        ({"operation": 99}, "operation"),
        ({"quantity": q(0)}, "quantity.value"),
    ):
        request = production_pb2.StageOrderRequest(**{"name": order.name, "quantity": q(1), **broken})
        assert (await refusal(works, request)).fields == [field]


@pytest.mark.rule("MAT-124")
async def test_what_is_left_at_the_line_goes_back_by_a_task(works: Plant) -> None:
    used = await item(works)
    order = await ordered(works, await bill(works, [component(used)]), 5)
    await stocked(works, used, 9)
    await staged(works, order.name, 5)
    claim = await reserved(works, used, 5)
    await reported(works, order.name, 2)
    await works(PLANNER, production_pb2.CompleteOrderRequest(name=order.name))
    assert await on_hand(works, used) == {("shelf", ""): 4, ("line", ""): 3}
    found = await works("vic", tasks_pb2.ListTasksRequest(parent=SITE, filter=f'item = "{used}"'))
    (task,) = found.tasks
    assert (task.kind, task.quantity.value, task.from_location) == (tasks_pb2.Task.RETURN, "2", at("line"))
    assert claim.allocated.value == "4"
    confirmed = tasks_pb2.StartTaskRequest(name=task.name)
    assert (await works(WORKER, confirmed)).state == tasks_pb2.Task.STARTED
