"""Policies through the rpcs: revisions with four eyes, assignments, the ledger and the decisions behind it."""

import asyncio
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from plantops.maintenance.v1 import assets_pb2, events_pb2, occurrences_pb2, policies_pb2, work_orders_pb2
from sqlalchemy.exc import IntegrityError

from services.maintenance import jobs
from tests.maintenance import builders as make
from tests.plant import Refused
from tests.world import Plant, site_today

Occurrence = occurrences_pb2.Occurrence
Revision = policies_pb2.MaintenanceRevision
MONTHS = {"kind": "FIXED", "interval_months": 1}


@pytest.fixture(scope="module", autouse=True)
async def two_sites(plant: Plant) -> None:
    await make.sites(plant)


def states(rows: list[Any]) -> list[str]:
    return [Occurrence.State.Name(row.state) for row in rows]


async def new_policy(plant: Plant, *, statutory: bool = False) -> str:
    request = policies_pb2.CreateMaintenancePolicyRequest(
        maintenance_policy=policies_pb2.MaintenancePolicy(title="Service", statutory=statutory)
    )
    name: str = (await plant("paul", request)).name
    return name


async def submitted(plant: Plant, policy: str, **given: Any) -> Any:
    made = await make.draft(plant, policy, **given)
    return await plant("paul", policies_pb2.SubmitMaintenanceRevisionRequest(name=made.name, etag=made.etag))


# --- revisions ------------------------------------------------------------------------------------------------


@pytest.mark.rule("MNT-2")
@pytest.mark.rule("MNT-3")
async def test_a_revision_is_approved_by_another_person_and_put_in_force(plant: Plant) -> None:
    policy = await new_policy(plant)
    made = await submitted(plant, policy, usage_interval=make.number(250))
    assert (made.author, made.state, len(made.content_hash)) == ("people/paul", Revision.SUBMITTED, 64)
    approve = policies_pb2.ApproveMaintenanceRevisionRequest(name=made.name, content_hash=made.content_hash)
    with pytest.raises(Refused) as refused:
        await plant("paul", approve)
    assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "SEGREGATION_OF_DUTIES")
    with pytest.raises(Refused) as refused:
        await plant("tina", approve)
    assert refused.value.reason == "PERMISSION_DENIED"
    await plant("ada", policies_pb2.ApproveMaintenanceRevisionRequest(name=made.name, content_hash=made.content_hash))
    active = await plant("ada", policies_pb2.ActivateMaintenanceRevisionRequest(name=made.name))
    assert (active.state, active.approver) == (Revision.ACTIVE, "people/ada")
    assert active.effective_time.ToDatetime() >= active.approve_time.ToDatetime()
    found = await plant("vic", policies_pb2.GetMaintenancePolicyRequest(name=policy))
    assert found.active_revision == made.name
    payload = plant.value("maintenance", "select payload from outbox where aggregate_id = %s", policy)
    told = events_pb2.PolicyActivated.FromString(bytes(payload))
    assert (told.policy, told.kind, told.revision, told.replaced_revision, told.version) == (
        policy, "METER_FIXED", made.name, "", 1,
    )  # fmt: skip


@pytest.mark.rule("MNT-2")
async def test_an_approval_binds_what_was_read(plant: Plant) -> None:
    made = await submitted(plant, await new_policy(plant), usage_interval=make.number(250))
    with pytest.raises(Refused) as refused:
        await plant("ada", policies_pb2.ApproveMaintenanceRevisionRequest(name=made.name, content_hash="0" * 64))
    assert (refused.value.code, refused.value.reason) == ("ABORTED", "CONTENT_CHANGED")
    after = await plant("vic", policies_pb2.GetMaintenanceRevisionRequest(name=made.name))
    assert (after.state, after.approver) == (Revision.SUBMITTED, "")


@pytest.mark.rule("MNT-2")
async def test_a_revision_moves_along_its_states_only(plant: Plant) -> None:
    policy = await new_policy(plant)
    made = await make.draft(plant, policy, usage_interval=make.number(250))
    for early in (
        policies_pb2.ActivateMaintenanceRevisionRequest(name=made.name),
        policies_pb2.ReturnMaintenanceRevisionRequest(name=made.name, reason="no"),
        policies_pb2.RetireMaintenanceRevisionRequest(name=made.name, reason="no"),
    ):
        with pytest.raises(Refused) as refused:
            await plant("ada", early)
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED")
    await plant("paul", policies_pb2.SubmitMaintenanceRevisionRequest(name=made.name))
    with pytest.raises(Refused) as stale:
        await plant("paul", policies_pb2.SubmitMaintenanceRevisionRequest(name=made.name, etag=made.etag))
    assert (stale.value.code, stale.value.reason) == ("ABORTED", "ETAG_MISMATCH")
    back = await plant("ada", policies_pb2.ReturnMaintenanceRevisionRequest(name=made.name, reason="too often"))
    assert (back.state, back.content_hash) == (Revision.DRAFT, "")
    again = await plant("paul", policies_pb2.SubmitMaintenanceRevisionRequest(name=made.name))
    await plant("ada", policies_pb2.ApproveMaintenanceRevisionRequest(name=made.name, content_hash=again.content_hash))
    after = await plant("ada", policies_pb2.RetireMaintenanceRevisionRequest(name=made.name, reason="withdrawn"))
    assert after.state == Revision.RETIRED


@pytest.mark.rule("MNT-4")
async def test_one_revision_of_a_policy_is_in_force(plant: Plant) -> None:
    policy = await make.policy(plant, usage_interval=make.number(250))
    await make.activate(plant, policy, usage_interval=make.number(300))
    rows = (await plant("vic", policies_pb2.ListMaintenanceRevisionsRequest(parent=policy))).maintenance_revisions
    assert {row.name.rsplit("/", 1)[-1]: Revision.State.Name(row.state) for row in rows} == {
        "r1": "RETIRED", "r2": "ACTIVE",
    }  # fmt: skip
    twin = (
        'insert into maintenance_revision select (jsonb_populate_record(r, \'{"name": "twin"}\')).* '
        "from maintenance_revision r where policy = %s and state = 'ACTIVE'"
    )
    with plant.look("maintenance") as connection, pytest.raises(psycopg.errors.UniqueViolation, match="_active"):
        connection.execute(twin, [policy])


@pytest.mark.rule("MNT-4")
async def test_two_revisions_put_in_force_at_once_leave_one(plant: Plant) -> None:
    policy = await new_policy(plant)
    names = []
    for hours in (100, 200):
        made = await submitted(plant, policy, usage_interval=make.number(hours))
        approve = policies_pb2.ApproveMaintenanceRevisionRequest(name=made.name, content_hash=made.content_hash)
        names.append((await plant("ada", approve)).name)
    await asyncio.gather(*(plant("ada", policies_pb2.ActivateMaintenanceRevisionRequest(name=name)) for name in names))
    query = "select count(*) from maintenance_revision where policy = %s and state = 'ACTIVE'"
    assert plant.value("maintenance", query, policy) == 1
    found = await plant("vic", policies_pb2.GetMaintenancePolicyRequest(name=policy))
    state = plant.value("maintenance", "select state from maintenance_revision where name = %s", found.active_revision)
    assert state == "ACTIVE"


@pytest.mark.rule("MNT-11")
async def test_a_statutory_policy_leaves_nothing_out(plant: Plant) -> None:
    policy = await new_policy(plant, statutory=True)
    with pytest.raises(Refused) as refused:
        await make.draft(plant, policy, **MONTHS, catch_up="DROP")
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "STATUTORY")


@pytest.mark.rule("MNT-12")
@pytest.mark.parametrize("values", [{"kind": "METER_FLOATING"}, {"kind": "FIXED"}, {"kind": "METER_FIXED"}])
async def test_a_revision_without_the_parameters_of_its_kind_is_refused(plant: Plant, values: Any) -> None:
    with pytest.raises(Refused) as refused:
        await make.draft(plant, await new_policy(plant), **values)
    assert refused.value.fields[0].startswith("maintenance_revision.")


async def test_policies_are_listed(plant: Plant) -> None:
    name = await new_policy(plant, statutory=True)
    request = policies_pb2.ListMaintenancePoliciesRequest(filter="statutory = true", page_size=500)
    assert name in {row.name for row in (await plant("eve", request)).maintenance_policies}


# --- assignments ----------------------------------------------------------------------------------------------


@pytest.mark.rule("MNT-90")
async def test_an_assignment_names_its_start(plant: Plant) -> None:
    place, gauge, bound = await make.metered(plant, anchor=100)
    assert (bound.anchor_usage.value, bound.next_usage.value, bound.next_number, bound.series) == ("100", "350", 1, 1)
    found = await plant("vic", policies_pb2.GetPolicyAssignmentRequest(name=bound.name))
    listed = await plant("vic", policies_pb2.ListPolicyAssignmentsRequest(parent=place))
    assert list(listed.policy_assignments) == [found]
    assert (found.meter, found.policy) == (gauge, bound.policy)
    with pytest.raises(Refused) as twice:
        await make.assign(plant, place, bound.policy, meter=gauge)
    assert twice.value.code == "ALREADY_EXISTS"


@pytest.mark.rule("MNT-90")
async def test_an_assignment_without_what_its_kind_counts_is_refused(plant: Plant) -> None:
    place = await make.asset(plant)
    strange = await make.meter(plant, await make.asset(plant))
    hours, months = await make.policy(plant, usage_interval=make.number(9)), await make.policy(plant, **MONTHS)
    far = make.day(date(9990, 1, 1))
    for policy, given, field in (
        (hours, {}, "meter"), (hours, {"meter": strange}, "meter"), (months, {}, "anchor_date"),
        (months, {"anchor_date": far}, "anchor_date"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            await make.assign(plant, place, policy, **given)
        assert refused.value.fields == [field]
    with pytest.raises(Refused) as idle:
        await make.assign(plant, place, await new_policy(plant))
    assert (idle.value.code, idle.value.reason) == ("FAILED_PRECONDITION", "NOT_IN_FORCE")
    with pytest.raises(Refused) as unknown:
        await make.assign(plant, place, "maintenancePolicies/none")
    assert unknown.value.code == "NOT_FOUND"


# --- what falls due -------------------------------------------------------------------------------------------


@pytest.mark.rule("MNT-53")
@pytest.mark.rule("MNT-125")
@pytest.mark.rule("MNT-123")
async def test_with_one_a_reading_over_three_thresholds_makes_one_order(plant: Plant) -> None:
    _, gauge, bound = await make.metered(plant)
    await make.read(plant, gauge, 240, make.hours_ago(2))
    reading = await make.read(plant, gauge, 760)
    rows = await make.occurrences(plant, bound.name)
    assert states(rows) == ["GENERATED", "MERGED", "MERGED"]
    assert [row.due_usage.value for row in rows] == ["250", "500", "750"]
    assert {row.work_order for row in rows} == set(reading.work_orders)
    assert all(row.reason for row in rows[1:])
    after = await plant("vic", policies_pb2.GetPolicyAssignmentRequest(name=bound.name))
    assert (after.next_usage.value, after.next_number) == ("1000", 4)


@pytest.mark.rule("MNT-125")
@pytest.mark.parametrize(
    ("catch_up", "expected", "orders"),
    [("ALL", ["GENERATED", "GENERATED", "GENERATED"], 3), ("DROP", ["SKIPPED", "SKIPPED", "GENERATED"], 1)],
)
async def test_what_was_missed_follows_the_catch_up(
    plant: Plant, catch_up: str, expected: list[str], orders: int
) -> None:
    _, gauge, bound = await make.metered(plant, catch_up=catch_up)
    reading = await make.read(plant, gauge, 760)
    rows = await make.occurrences(plant, bound.name)
    assert states(rows) == expected
    assert len(set(reading.work_orders)) == orders
    assert all(row.reason and row.decision for row in rows if row.state == Occurrence.SKIPPED)


@pytest.mark.rule("MNT-123")
async def test_a_due_that_meets_an_open_order_joins_it_and_keeps_its_date(plant: Plant) -> None:
    _, gauge, bound = await make.metered(plant)
    first = await make.read(plant, gauge, 250, make.hours_ago(2))
    second = await make.read(plant, gauge, 500)
    rows = await make.occurrences(plant, bound.name)
    assert states(rows) == ["GENERATED", "MERGED"]
    assert (rows[1].work_order, list(second.work_orders)) == (first.work_orders[0], [])
    assert rows[1].HasField("required_date")
    await make.carried_out(plant, first.work_orders[0])
    assert states(await make.occurrences(plant, bound.name)) == ["SATISFIED", "SATISFIED"]


@pytest.mark.rule("MNT-52")
@pytest.mark.rule("MNT-84")
async def test_a_floating_clock_counts_from_the_usage_at_the_finish(plant: Plant) -> None:
    _, gauge, bound = await make.metered(plant, kind="METER_FLOATING")
    order = (await make.read(plant, gauge, 262, make.hours_ago(3))).work_orders[0]
    assert list((await make.read(plant, gauge, 505, make.hours_ago(1))).work_orders) == []
    times = {"start_time": make.at(make.hours_ago(2.5)), "finish_time": make.at(make.hours_ago(2))}
    await plant("ada", work_orders_pb2.ApproveWorkOrderRequest(name=order))
    await make.started(plant, order, start_time=times["start_time"])
    await make.completed(plant, order, finish_time=times["finish_time"])
    after = await plant("vic", policies_pb2.GetPolicyAssignmentRequest(name=bound.name))
    assert (after.next_usage.value, after.next_number) == ("512", 2)
    assert len((await make.read(plant, gauge, 512)).work_orders) == 1


@pytest.mark.rule("MNT-122")
async def test_a_floating_clock_that_has_run_out_by_the_finish_makes_the_next_order_at_once(plant: Plant) -> None:
    _, gauge, bound = await make.metered(plant, kind="METER_FLOATING")
    order = (await make.read(plant, gauge, 262, make.hours_ago(3))).work_orders[0]
    await make.read(plant, gauge, 520, make.hours_ago(1))
    await plant("ada", work_orders_pb2.ApproveWorkOrderRequest(name=order))
    await make.started(plant, order, start_time=make.at(make.hours_ago(2.5)))
    await make.completed(plant, order, finish_time=make.at(make.hours_ago(2)))
    rows = await make.occurrences(plant, bound.name)
    assert states(rows) == ["SATISFIED", "GENERATED"]
    assert rows[1].due_usage.value == "512"


@pytest.mark.rule("MNT-121")
async def test_a_lead_in_use_makes_the_order_earlier_and_leaves_the_due_where_it_is(plant: Plant) -> None:
    _, gauge, bound = await make.metered(plant, usage_lead=make.number(20))
    assert list((await make.read(plant, gauge, "229.9", make.hours_ago(1))).work_orders) == []
    assert len((await make.read(plant, gauge, 230)).work_orders) == 1
    assert (await make.occurrences(plant, bound.name))[0].due_usage.value == "250"


@pytest.mark.rule("MNT-8")
@pytest.mark.rule("MNT-129")
async def test_an_order_stamps_where_it_comes_from_and_copies_the_plan(plant: Plant) -> None:
    place, gauge, bound = await make.metered(
        plant,
        order_title="250 h service",
        order_priority=2,
        estimated_hours=make.number("1.5"),
        steps=[Revision.Step(text="Change the filter", mandatory=True), Revision.Step(text="Wipe")],
        part_demands=[Revision.PartDemand(item="items/filter", quantity=make.pieces(2), mandatory=True)],
    )
    reading = await make.read(plant, gauge, 250)
    order = await make.get(plant, reading.work_orders[0])
    occurrence = (await make.occurrences(plant, bound.name))[0]
    assert (order.occurrence, order.decision, order.policy_revision) == (
        occurrence.name, occurrence.decision, f"{bound.policy}/revisions/r1",
    )  # fmt: skip
    assert (order.asset, order.title, order.priority, order.estimated_hours.value) == (place, "250 h service", 2, "1.5")
    assert [(step.number, step.text, step.mandatory) for step in order.steps] == [
        (1, "Change the filter", True), (2, "Wipe", False),
    ]  # fmt: skip
    assert [(row.item, row.quantity.value, row.mandatory) for row in order.part_demands] == [
        ("items/filter", "2", True)
    ]
    assert order.required_date == occurrence.required_date
    await make.activate(plant, bound.policy, usage_interval=make.number(250), order_title="other")
    assert (await make.get(plant, order.name)).title == "250 h service"


@pytest.mark.rule("MNT-5")
@pytest.mark.rule("MNT-362")
async def test_an_order_is_explained_by_the_recorded_decision(plant: Plant) -> None:
    _, gauge, bound = await make.metered(plant)
    reading = await make.read(plant, gauge, 505)
    order = reading.work_orders[0]
    why = await plant("vic", occurrences_pb2.ExplainWorkOrderRequest(name=order))
    decision = await plant("vic", occurrences_pb2.GetMaintenanceDecisionRequest(name=why.decision))
    assert why.revision == decision.revision == f"{bound.policy}/revisions/r1"
    assert (decision.assignment, decision.outcome) == (bound.name, "CREATED")
    assert (decision.inputs["reading"], decision.inputs["usage"]) == (reading.name, "505")
    assert list(why.explanation) == [
        f"policy revision {bound.policy}/revisions/r1, kind METER_FIXED",
        f"usage 505 by {reading.name}",
        "occurrence 1 fell due at usage 250",
        "occurrence 2 fell due at usage 500",
        f"{order} was made",
        f"occurrence 2 joined {order}",
    ]
    request = occurrences_pb2.ListMaintenanceDecisionsRequest(
        parent=make.HAMBURG, filter=f'assignment = "{bound.name}"'
    )
    assert [row.name for row in (await plant("vic", request)).maintenance_decisions] == [why.decision]
    found = await plant("vic", occurrences_pb2.GetOccurrenceRequest(name=(await make.get(plant, order)).occurrence))
    assert found.decision == why.decision


@pytest.mark.rule("MNT-5")
async def test_the_reading_comes_before_the_order_that_it_causes(plant: Plant) -> None:
    _, gauge, _ = await make.metered(plant)
    reading = await make.read(plant, gauge, 250)
    assert make.journal(plant, reading.work_orders[0]) == ["MeterRead", "WorkOrderCreated"]
    outcome = plant.rows(
        "maintenance",
        "select aggregate_type from outbox where correlation = %s order by pos",
        reading.work_orders[0],
    )
    assert len(outcome) == 2


@pytest.mark.rule("MNT-23")
@pytest.mark.parametrize("state", ["STANDBY", "OUT_OF_SERVICE"])
async def test_an_asset_out_of_service_gets_no_order_and_catches_up_when_it_is_back(plant: Plant, state: str) -> None:
    place, gauge, bound = await make.metered(plant)
    await plant("paul", assets_pb2.ChangeAssetStateRequest(name=place, state=state))
    assert list((await make.read(plant, gauge, 520)).work_orders) == []
    assert await make.occurrences(plant, bound.name) == []
    await plant("paul", assets_pb2.ChangeAssetStateRequest(name=place, state="IN_SERVICE"))
    assert states(await make.occurrences(plant, bound.name)) == ["GENERATED", "MERGED"]


@pytest.mark.rule("MNT-120")
async def test_another_interval_starts_a_new_series_with_keys_of_its_own(plant: Plant) -> None:
    _, gauge, bound = await make.metered(plant)
    order = (await make.read(plant, gauge, 520, make.hours_ago(1))).work_orders[0]
    await make.carried_out(plant, order)
    await make.activate(plant, bound.policy, usage_interval=make.number(400))
    after = await plant("vic", policies_pb2.GetPolicyAssignmentRequest(name=bound.name))
    assert (after.series, after.next_usage.value, after.revision) == (2, "800", f"{bound.policy}/revisions/r2")
    await make.read(plant, gauge, 800)
    rows = await make.occurrences(plant, bound.name)
    assert [(row.series, row.number) for row in rows] == [(1, 1), (1, 2), (2, 2)]
    assert rows[2].revision.endswith("/r2")


async def test_a_policy_that_counts_something_else_takes_over_no_assignment(plant: Plant) -> None:
    _, _, bound = await make.metered(plant)
    with pytest.raises(Refused) as refused:
        await make.activate(plant, bound.policy, **MONTHS)
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "ASSIGNMENT_UNFIT")
    found = await plant("vic", policies_pb2.GetMaintenancePolicyRequest(name=bound.policy))
    assert found.active_revision.endswith("/r1")


async def test_a_retired_policy_makes_no_orders(plant: Plant) -> None:
    _, gauge, bound = await make.metered(plant)
    revision = f"{bound.policy}/revisions/r1"
    await plant("ada", policies_pb2.RetireMaintenanceRevisionRequest(name=revision, reason="not needed"))
    assert list((await make.read(plant, gauge, 300)).work_orders) == []


# --- ends -----------------------------------------------------------------------------------------------------


@pytest.mark.rule("MNT-127")
async def test_not_done_leaves_it_due_and_a_replacement_keeps_the_date(plant: Plant) -> None:
    _, gauge, bound = await make.metered(plant)
    first = (await make.read(plant, gauge, 250, make.hours_ago(2))).work_orders[0]
    before = (await make.occurrences(plant, bound.name))[0]
    await make.carried_out(plant, first, "NOT_DONE")
    (row,) = await make.occurrences(plant, bound.name)
    assert (row.state, row.required_date) == (Occurrence.DUE, before.required_date)
    assert first in row.reason
    second = (await make.read(plant, gauge, 255)).work_orders[0]
    (row,) = await make.occurrences(plant, bound.name)
    assert (row.state, row.work_order, row.required_date) == (Occurrence.GENERATED, second, before.required_date)
    assert (await make.get(plant, second)).required_date == before.required_date


@pytest.mark.rule("MNT-154")
async def test_partly_done_satisfies_with_all_mandatory_steps_only(plant: Plant) -> None:
    for recorded, expected in ((False, "DUE"), (True, "SATISFIED")):
        _, gauge, bound = await make.metered(plant, steps=[Revision.Step(text="Change", mandatory=True)])
        order = (await make.read(plant, gauge, 250)).work_orders[0]
        if recorded:
            await plant("tina", work_orders_pb2.RecordStepRequest(name=order, step=1, result="done"))
        await make.carried_out(plant, order, "PARTLY_DONE")
        assert states(await make.occurrences(plant, bound.name)) == [expected]


@pytest.mark.rule("MNT-155")
async def test_complete_reopen_complete_leaves_one_occurrence_and_one_successor(plant: Plant) -> None:
    _, gauge, bound = await make.metered(plant, kind="METER_FLOATING")
    order = (await make.read(plant, gauge, 260, make.hours_ago(5))).work_orders[0]
    await make.carried_out(plant, order)
    assert states(await make.occurrences(plant, bound.name)) == ["SATISFIED"]
    await plant("paul", work_orders_pb2.ReopenWorkOrderRequest(name=order, reason="leaks"))
    (row,) = await make.occurrences(plant, bound.name)
    assert (row.state, row.HasField("satisfy_time")) == (Occurrence.GENERATED, False)
    assert list((await make.read(plant, gauge, 300)).work_orders) == []
    await make.completed(plant, order)
    after = await plant("vic", policies_pb2.GetPolicyAssignmentRequest(name=bound.name))
    assert after.next_usage.value == "550"
    assert len((await make.read(plant, gauge, 550)).work_orders) == 1
    assert states(await make.occurrences(plant, bound.name)) == ["SATISFIED", "GENERATED"]


@pytest.mark.rule("MNT-127")
async def test_a_cancelled_order_leaves_a_cancelled_occurrence(plant: Plant) -> None:
    _, gauge, bound = await make.metered(plant)
    order = (await make.read(plant, gauge, 250)).work_orders[0]
    await plant("paul", work_orders_pb2.CancelWorkOrderRequest(name=order, reason="asset sold"))
    (row,) = await make.occurrences(plant, bound.name)
    assert row.state == Occurrence.CANCELLED
    assert order in row.reason


# --- the calendar ---------------------------------------------------------------------------------------------


def back(months: int) -> date:
    today = site_today()
    count = today.year * 12 + today.month - 1 - months
    return date(count // 12, count % 12 + 1, 1)


async def generate(plant: Plant, times: int = 1) -> None:
    """Run the job of the service that makes calendar orders, several at once where asked."""
    process = plant.processes["maintenance"]
    await asyncio.gather(*(jobs.generate_due(process.commands.open_unit) for _ in range(times)))


@pytest.mark.rule("MNT-80")
@pytest.mark.rule("MNT-125")
@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("ONE", ["GENERATED", "MERGED", "MERGED"]),
        ("ALL", ["GENERATED"] * 3),
        ("DROP", ["SKIPPED", "SKIPPED", "GENERATED"]),
    ],
)
async def test_three_missed_months_follow_the_catch_up(plant: Plant, catch_up: str, expected: list[str]) -> None:
    place = await make.asset(plant)
    policy = await make.policy(plant, **MONTHS, catch_up=catch_up)
    bound = await make.assign(plant, place, policy, anchor_date=make.day(back(3)))
    rows = await make.occurrences(plant, bound.name)
    assert states(rows) == expected
    assert [row.due_date for row in rows] == [make.day(back(n)) for n in (2, 1, 0)]
    assert bound.next_date == make.day(back(-1))
    await generate(plant)
    assert await make.occurrences(plant, bound.name) == rows


@pytest.mark.rule("MNT-120")
@pytest.mark.rule("MNT-122")
async def test_jobs_at_once_and_again_make_one_order(plant: Plant) -> None:
    place = await make.asset(plant, state="PLANNED")
    policy = await make.policy(plant, kind="FIXED", interval_days=7, lead_days=2)
    anchor = site_today() - timedelta(days=7)
    bound = await make.assign(plant, place, policy, anchor_date=make.day(anchor))
    assert await make.occurrences(plant, bound.name) == []
    await plant("paul", assets_pb2.ChangeAssetStateRequest(name=place, state="IN_SERVICE"))
    await generate(plant, 4)
    await generate(plant)
    rows = await make.occurrences(plant, bound.name)
    assert states(rows) == ["GENERATED"]
    assert make.journal(plant, rows[0].work_order) == ["WorkOrderCreated"]


@pytest.mark.rule("MNT-120")
async def test_the_database_keeps_the_key_of_an_occurrence_unique(plant: Plant) -> None:
    _, gauge, _ = await make.metered(plant)
    await make.read(plant, gauge, 250)
    with (
        plant.look("maintenance") as connection,
        pytest.raises(psycopg.errors.UniqueViolation, match="uq_occurrence_key"),
    ):
        connection.execute(
            'insert into occurrence select (jsonb_populate_record(o, \'{"name": "twin"}\')).* from occurrence o limit 1'
        )


@pytest.mark.rule("MNT-127")
async def test_calendar_work_that_was_not_done_gets_another_order(plant: Plant) -> None:
    place = await make.asset(plant)
    policy = await make.policy(plant, **MONTHS)
    bound = await make.assign(plant, place, policy, anchor_date=make.day(back(1)))
    first = (await make.occurrences(plant, bound.name))[0]
    await make.carried_out(plant, first.work_order, "NOT_DONE")
    await generate(plant)
    (row,) = await make.occurrences(plant, bound.name)
    assert row.state == Occurrence.GENERATED
    assert row.work_order != first.work_order
    assert row.required_date == first.required_date


async def test_a_failing_assignment_keeps_no_other_one_waiting(plant: Plant) -> None:
    policy = await make.policy(plant, kind="FIXED", interval_days=7)
    bound = [
        await make.assign(
            plant,
            await make.asset(plant),
            policy,
            anchor_date=make.day(site_today()),
        )
        for _ in range(2)
    ]
    with plant.look("maintenance") as connection:
        due = site_today() - timedelta(days=8)
        for row, next_date in zip(bound, (due - timedelta(days=1), due), strict=True):
            connection.execute(
                "update policy_assignment set anchor_date = %s, next_date = %s where name = %s",
                [due - timedelta(days=7), next_date, row.name],
            )
        # a row with the key of the first one's occurrence makes its generation fail
        connection.execute(
            "insert into occurrence (name, site, version, event_version, correlation, create_time, update_time,"
            " assignment, asset, policy, revision, series, number, state, reason, work_order, decision) "
            "values (%s, 'hamburg', 1, 0, '', now(), now(), %s, 'x', 'x', 'x', 1, 1, 'CANCELLED', '', '', '')",
            [f"{make.HAMBURG}/occurrences/{make.new_id('taken')}", bound[0].name],
        )
    with pytest.raises(IntegrityError, match="uq_occurrence_key"):
        await generate(plant)
    assert states(await make.occurrences(plant, bound[1].name)) == ["GENERATED", "MERGED"]
    with plant.look("maintenance") as connection:
        connection.execute("update policy_assignment set next_date = null where name = %s", [bound[0].name])
