"""Work orders through the rpcs: states, gates, demands, events, who may do what."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from plantops.maintenance.v1 import events_pb2, occurrences_pb2
from plantops.maintenance.v1 import work_orders_pb2 as pb

from services.maintenance.model.work_order import COMMANDS, State
from tests.maintenance import builders as make
from tests.plant import Refused, tables
from tests.world import Plant, site_today

WorkOrder = pb.WorkOrder
PartDemand = pb.WorkOrder.PartDemand


@pytest.fixture(scope="module", autouse=True)
async def two_sites(plant: Plant) -> None:
    await make.sites(plant)


@pytest.fixture(scope="module")
async def press(plant: Plant, two_sites: None) -> str:
    return await make.asset(plant, cost_centre="1200", delivery_location="sites/hamburg/locations/staging")


def state(order: Any) -> str:
    return WorkOrder.State.Name(order.state)


def event(plant: Plant, kind: Any, name: str) -> Any:
    """The newest event of a kind about an order."""
    query = (
        "select payload from outbox where aggregate_id = %s and headers ->> 'ce-type' like %s order by pos desc limit 1"
    )
    payload = plant.value("maintenance", query, name, f"%{kind.DESCRIPTOR.name}")
    return kind.FromString(bytes(payload))


FILTER = PartDemand(item="items/filter", quantity=make.pieces(2), mandatory=True)


async def in_state(plant: Plant, press: str, wanted: str) -> Any:
    """An order in a state, led there by the commands."""
    demands = [FILTER] if wanted == "APPROVED" else []
    order = await make.order(plant, press, part_demands=demands)
    if wanted == "PLANNED":
        return order
    if wanted == "CANCELLED":
        return await plant("paul", pb.CancelWorkOrderRequest(name=order.name, reason="sold"))
    order = await plant("ada", pb.ApproveWorkOrderRequest(name=order.name))
    if wanted in ("APPROVED", "READY"):
        return order
    order = await make.started(plant, order.name)
    if wanted == "PAUSED":
        return await plant("tina", pb.PauseWorkOrderRequest(name=order.name, reason="lunch"))
    if wanted == "IN_PROGRESS":
        return order
    order = await make.completed(plant, order.name)
    if wanted == "COMPLETED":
        return order
    return await plant("paul", pb.CloseWorkOrderRequest(name=order.name))


def commands(order: Any, etag: str = "") -> dict[str, tuple[str, Any]]:
    """Command -> who gives it, and its request."""
    now = datetime.now(UTC)
    window = {"planned_start_time": make.at(now), "planned_finish_time": make.at(now + timedelta(hours=4))}
    name = {"name": order.name, "etag": etag}
    return {
        "ApproveWorkOrder": ("ada", pb.ApproveWorkOrderRequest(**name)),
        "ReviseWorkOrder": ("paul", pb.ReviseWorkOrderRequest(**name, reason="other parts")),
        "RescheduleWorkOrder": ("paul", pb.RescheduleWorkOrderRequest(**name, reason="no crane", **window)),
        "StartWorkOrder": ("paul", pb.StartWorkOrderRequest(**name, override_reason="oil on the road")),
        "PauseWorkOrder": ("tina", pb.PauseWorkOrderRequest(**name, reason="lunch")),
        "ResumeWorkOrder": ("tina", pb.ResumeWorkOrderRequest(**name)),
        "CompleteWorkOrder": ("tina", pb.CompleteWorkOrderRequest(**name, outcome="NOT_DONE")),
        "ReopenWorkOrder": ("paul", pb.ReopenWorkOrderRequest(**name, reason="leaks")),
        "CloseWorkOrder": ("paul", pb.CloseWorkOrderRequest(**name)),
        "CancelWorkOrder": ("paul", pb.CancelWorkOrderRequest(**name, reason="sold")),
    }


LEADS_TO = {
    "ApproveWorkOrder": "READY", "ReviseWorkOrder": "PLANNED", "StartWorkOrder": "IN_PROGRESS",
    "PauseWorkOrder": "PAUSED", "ResumeWorkOrder": "IN_PROGRESS", "CompleteWorkOrder": "COMPLETED",
    "ReopenWorkOrder": "IN_PROGRESS", "CloseWorkOrder": "CLOSED", "CancelWorkOrder": "CANCELLED",
}  # fmt: skip


@pytest.mark.rule("MNT-150")
@pytest.mark.parametrize("before", State)
async def test_each_state_takes_its_commands_and_refuses_the_others(plant: Plant, press: str, before: State) -> None:
    order = await in_state(plant, press, before)
    await plant.settle()  # materials has answered to what is demanded
    order = await make.get(plant, order.name)
    assert state(order) == before
    for command, (person, request) in commands(order).items():
        unbegun = command == "CompleteWorkOrder" and before in (State.APPROVED, State.READY)
        if before in COMMANDS[command] and not unbegun:
            continue
        with pytest.raises(Refused) as refused:
            await plant(person, request)
        wanted = "GATE_NOT_MET" if unbegun else "TRANSITION_NOT_ALLOWED"
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", wanted), command
    assert await make.get(plant, order.name) == order
    for command in [name for name, states in COMMANDS.items() if before in states]:
        if command == "CompleteWorkOrder" and before in (State.APPROVED, State.READY):
            continue
        person, request = commands(await in_state(plant, press, before))[command]
        assert state(await plant(person, request)) == LEADS_TO.get(command, before), command


@pytest.mark.rule("MNT-150")
async def test_the_database_refuses_other_moves_too(plant: Plant, press: str) -> None:
    order = await make.order(plant, press)
    with plant.look("maintenance") as connection, pytest.raises(psycopg.errors.CheckViolation, match="may not become"):
        connection.execute("update work_order set state = 'COMPLETED' where name = %s", [order.name])


async def test_a_stale_etag_is_refused_by_every_command(plant: Plant, press: str) -> None:
    for before, names in (
        ("PLANNED", ["ApproveWorkOrder", "RescheduleWorkOrder", "CancelWorkOrder"]),
        ("READY", ["ReviseWorkOrder", "StartWorkOrder"]),
        ("IN_PROGRESS", ["PauseWorkOrder", "CompleteWorkOrder"]), ("PAUSED", ["ResumeWorkOrder"]),
        ("COMPLETED", ["ReopenWorkOrder", "CloseWorkOrder"]),
    ):  # fmt: skip
        order = await in_state(plant, press, before)
        for name in names:
            person, request = commands(order, etag='"99"')[name]
            with pytest.raises(Refused) as refused:
                await plant(person, request)
            assert (refused.value.code, refused.value.reason) == ("ABORTED", "ETAG_MISMATCH"), name
            assert refused.value.metadata["current"] == order.etag
        assert state(await make.get(plant, order.name)) == before


@pytest.mark.parametrize(
    ("person", "command"),
    [("tina", "ApproveWorkOrder"), ("tina", "CancelWorkOrder"), ("vic", "StartWorkOrder"), ("ada", "StartWorkOrder")],
)
async def test_a_command_needs_its_permission(plant: Plant, press: str, person: str, command: str) -> None:
    order = await make.order(plant, press)
    with pytest.raises(Refused) as refused:
        await plant(person, commands(order)[command][1])
    assert refused.value.code == "PERMISSION_DENIED"


@pytest.mark.rule("MNT-160")
async def test_a_start_without_parts_names_them_and_an_override_needs_its_permission(plant: Plant, press: str) -> None:
    order = await in_state(plant, press, "APPROVED")
    assert (list(order.wait_reasons), order.part_demands[0].delivery_location) == (
        ["PARTS"], "sites/hamburg/locations/staging",
    )  # fmt: skip
    with pytest.raises(Refused) as gate:
        await make.started(plant, order.name)
    assert (gate.value.code, gate.value.reason, gate.value.metadata["gates"]) == (
        "FAILED_PRECONDITION", "GATE_NOT_MET", "PARTS",
    )  # fmt: skip
    with pytest.raises(Refused) as denied:
        await make.started(plant, order.name, override_reason="oil on the road")
    assert denied.value.code == "PERMISSION_DENIED"
    request = pb.StartWorkOrderRequest(name=order.name, override_reason="oil on the road")
    started = await plant("paul", request)
    assert (state(started), list(started.wait_reasons)) == ("IN_PROGRESS", [])
    assert list(event(plant, events_pb2.WorkOrderStarted, order.name).overrides) == ["PARTS"]
    assert "oil on the road" in started.journal[-1].text
    why = await plant("vic", occurrences_pb2.ExplainWorkOrderRequest(name=order.name))
    assert why.explanation[0] == "made by people/paul"
    assert "items/filter" in why.explanation[1]


@pytest.mark.rule("MNT-363")
async def test_it_is_explained_what_an_order_waits_for(plant: Plant, press: str) -> None:
    order = await in_state(plant, press, "APPROVED")
    why = await plant("vic", occurrences_pb2.ExplainWorkOrderRequest(name=order.name))
    assert list(why.wait_reasons) == ["PARTS"]
    assert why.explanation[-1] == "waits for items/filter (demand p1, OPEN)"


@pytest.mark.rule("MNT-180")
@pytest.mark.rule("MNT-181")
async def test_an_approval_tells_all_demands(plant: Plant, press: str) -> None:
    demands = [FILTER, PartDemand(demand="oil", item="items/oil", quantity=make.pieces(5))]
    order = await make.ready(plant, press, part_demands=demands, priority=1)
    told = event(plant, events_pb2.WorkOrderApproved, order.name)
    assert (told.asset, told.priority, told.cost_centre, told.demand_version) == (press, 1, "1200", 1)
    assert [(row.demand, row.item, row.quantity.value, row.mandatory, row.priority) for row in told.part_demands] == [
        ("p1", "items/filter", "2", True, 1), ("oil", "items/oil", "5", False, 1),
    ]  # fmt: skip
    assert all(row.HasField("need_time") and row.delivery_location for row in told.part_demands)
    revise = pb.ReviseWorkOrderRequest(name=order.name, part_demands=[FILTER], reason="no oil")
    assert state(await plant("paul", revise)) == "PLANNED"
    again = await plant("ada", pb.ApproveWorkOrderRequest(name=order.name))
    told = event(plant, events_pb2.WorkOrderApproved, order.name)
    assert (again.demand_version, told.demand_version, [row.demand for row in told.part_demands]) == (2, 2, ["p1"])


async def test_an_order_without_hindrance_is_ready_with_its_approval(plant: Plant, press: str) -> None:
    order = await make.ready(plant, press)
    assert (state(order), order.approver, list(order.wait_reasons)) == ("READY", "people/ada", [])


async def test_creation_is_told_with_what_is_known(plant: Plant, press: str) -> None:
    day = make.day(site_today())
    order = await make.order(
        plant,
        press,
        kind="CORRECTIVE",
        required_date=day,
        priority=2,
        steps=[WorkOrder.Step(text="Look", mandatory=True)],
    )
    told = event(plant, events_pb2.WorkOrderCreated, order.name)
    assert (told.number, told.asset, told.kind, told.origin, told.priority, told.required_date, told.version) == (
        order.number, press, "CORRECTIVE", "MANUAL", 2, day, 1,
    )  # fmt: skip
    assert (order.reporter, order.steps[0].text, order.cost.currency_code) == ("people/paul", "Look", "EUR")
    assert [entry.text for entry in order.journal] == ["created"]


BACKWARDS = {
    "planned_start_time": make.at(make.hours_ago(1)),
    "planned_finish_time": make.at(make.hours_ago(2)),
}


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"asset": "sites/hamburg/assets/none"}, "resource"),
        ({"asset": "foreign"}, "resource"),
        ({"priority": 9}, "work_order.priority"),
        ({"title": ""}, "work_order.title"),
        ({"part_demands": [PartDemand(item="items/x", quantity=make.pieces(0))]}, "part_demands.quantity.value"),
        (
            {"part_demands": [PartDemand(item="items/x", demand="a", quantity=make.pieces(1))] * 2},
            "part_demands.demand",
        ),
        (BACKWARDS, "planned_finish_time"),
    ],
)
async def test_an_order_that_cannot_be_changes_nothing(
    plant: Plant, press: str, values: dict[str, Any], where: str
) -> None:
    if values.get("asset") == "foreign":
        values = {"asset": await make.asset(plant, site=make.ANTWERP)}
    request = pb.CreateWorkOrderRequest(
        parent=make.HAMBURG, work_order=WorkOrder(**{"asset": press, "kind": "IMPROVEMENT", "title": "x"} | values)
    )
    await plant.settle()
    with plant.look("maintenance") as connection:
        before = tables(connection)
        with pytest.raises(Refused) as refused:
            await plant("paul", request)
        after = tables(connection)
    assert refused.value.code == ("NOT_FOUND" if where == "resource" else "INVALID_ARGUMENT")
    assert where in (*refused.value.fields, *refused.value.metadata)
    grown = {name for name in after if after[name] != before[name]}
    assert grown <= {"idempotency", "job_run"}


@pytest.mark.rule("MNT-128")
async def test_rescheduling_tells_the_window_and_leaves_the_required_date(plant: Plant, press: str) -> None:
    day = make.day(site_today())
    order = await make.order(plant, press, required_date=day, part_demands=[FILTER])
    begin = datetime.now(UTC) + timedelta(days=30)
    request = pb.RescheduleWorkOrderRequest(
        name=order.name, planned_start_time=make.at(begin), planned_finish_time=make.at(begin), reason="no crane"
    )
    after = await plant("paul", request)
    assert (after.required_date, after.planned_start_time) == (day, make.at(begin))
    assert after.part_demands[0].need_time == make.at(begin)
    told = event(plant, events_pb2.WorkOrderRescheduled, order.name)
    assert (told.planned_start_time, told.reason) == (make.at(begin), "no crane")


@pytest.mark.rule("MNT-153")
@pytest.mark.rule("MNT-157")
@pytest.mark.rule("MNT-240")
async def test_completion_holds_what_was_done_and_is_told(plant: Plant, press: str) -> None:
    order = await make.ready(plant, press, kind="CORRECTIVE", steps=[WorkOrder.Step(text="Look", mandatory=True)])
    begin, end = make.hours_ago(3), make.hours_ago(1)
    await make.started(plant, order.name, start_time=make.at(begin))
    for given, reason in (
        ({}, "STEPS_OPEN"),
        ({"finish_time": make.at(make.hours_ago(-1))}, "TIME_IN_FUTURE"),
        ({"finish_time": make.at(make.hours_ago(5))}, "FIELD_INVALID"),
        ({"labor_hours": make.number(-1)}, "FIELD_INVALID"),
    ):
        with pytest.raises(Refused) as refused:
            await make.completed(plant, order.name, **given)
        assert refused.value.reason == reason
    await plant("tina", pb.RecordStepRequest(name=order.name, step=1, result="worn"))
    with pytest.raises(Refused) as refused:
        await make.completed(plant, order.name)
    assert refused.value.fields == ["failure_mode"]
    done = await make.completed(
        plant, order.name, finish_time=make.at(end), labor_hours=make.number("1.5"), down_hours=make.number(2),
        finding="worn seal", failure_mode="leak", keep_reservations=True,
    )  # fmt: skip
    assert (state(done), done.labor_hours.value, done.down_hours.value, done.failure_mode) == (
        "COMPLETED", "1.5", "2", "leak",
    )  # fmt: skip
    assert (done.actual_start_time, done.actual_finish_time) == (make.at(begin), make.at(end))
    assert (done.steps[0].result, done.steps[0].person) == ("worn", "people/tina")
    told = event(plant, events_pb2.WorkOrderCompleted, order.name)
    assert (told.asset, told.outcome, told.keep_reservations, told.actual_finish_time) == (
        press, "DONE", True, make.at(end),
    )  # fmt: skip
    await plant("paul", pb.ReopenWorkOrderRequest(name=order.name, reason="leaks again"))
    assert event(plant, events_pb2.WorkOrderStarted, order.name).reopened
    await make.completed(plant, order.name, failure_mode="leak")
    closed = await plant("paul", pb.CloseWorkOrderRequest(name=order.name))
    assert event(plant, events_pb2.WorkOrderClosed, order.name).cost == closed.cost
    assert [entry.text.split(":")[0] for entry in closed.journal] == [
        "created", "approved with 0 part demands", "ready", "started", "step 1", "completed", "reopened", "completed",
        "closed",
    ]  # fmt: skip


@pytest.mark.rule("MNT-152")
async def test_cancelling_is_told_with_its_reason(plant: Plant, press: str) -> None:
    order = await make.ready(plant, press)
    after = await plant("paul", pb.CancelWorkOrderRequest(name=order.name, reason="asset sold"))
    assert state(after) == "CANCELLED"
    assert event(plant, events_pb2.WorkOrderCancelled, order.name).reason == "asset sold"


@pytest.mark.rule("MNT-163")
async def test_a_step_is_recorded_late(plant: Plant, press: str) -> None:
    order = await make.order(plant, press, steps=[WorkOrder.Step(text="Look")])
    await plant("paul", pb.CancelWorkOrderRequest(name=order.name, reason="sold"))
    after = await plant("tina", pb.RecordStepRequest(name=order.name, step=1, result="clean"))
    assert (after.steps[0].result, state(after)) == ("clean", "CANCELLED")
    with pytest.raises(Refused) as refused:
        await plant("tina", pb.RecordStepRequest(name=order.name, step=2, result="clean"))
    assert refused.value.fields == ["step"]


async def test_orders_are_listed_by_state_and_asset_page_by_page(plant: Plant) -> None:
    place = await make.asset(plant)
    names = [(await make.order(plant, place)).name for _ in range(5)]
    await plant("paul", pb.CancelWorkOrderRequest(name=names[0], reason="sold"))
    found: list[str] = []
    token = ""
    while True:
        request = pb.ListWorkOrdersRequest(
            parent=make.HAMBURG, filter=f'state = PLANNED AND asset = "{place}"', page_size=2, page_token=token
        )
        page = await plant("vic", request)
        found += [order.name for order in page.work_orders]
        token = page.next_page_token
        if not token:
            break
    assert sorted(found) == sorted(names[1:])
