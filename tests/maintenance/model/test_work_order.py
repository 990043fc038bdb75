"""A work order as plain Python: all pairs of states, gates, demands, cost."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.chassis.faults import FieldInvalid, TimeInFuture, TransitionNotAllowed
from services.maintenance.model.demand import CostKind, DemandState
from services.maintenance.model.work_order import (
    COMMANDS,
    PAIRS,
    ActualsExist,
    GateNotMet,
    Kind,
    Outcome,
    State,
    StepsOpen,
    WorkOrder,
)

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
TINA = "people/tina"


def order(state: State = State.PLANNED, **given: Any) -> WorkOrder:
    values = {"kind": Kind.IMPROVEMENT, "asset": "sites/hamburg/assets/press", "title": "Paint"} | given
    return WorkOrder(
        name="sites/hamburg/workOrders/w1", number="WO-1", state=state, currency_code="EUR", create_time=NOW,
        update_time=NOW, **values,
    )  # fmt: skip


def complete(found: WorkOrder, outcome: Outcome = Outcome.DONE, **given: Any) -> Any:
    values = {
        "start": NOW - timedelta(hours=2), "finish": NOW, "labor_hours": None, "down_hours": None, "finding": "",
        "failure_mode": "", "keep_reservations": False,
    } | given  # fmt: skip
    return found.complete(outcome, TINA, NOW, **values)


def fulfilled(found: WorkOrder) -> WorkOrder:
    """With labour booked, so that it can end as NOT_DONE from where it has not begun."""
    if found.state in (State.APPROVED, State.READY):
        found.labor_hours = Decimal(1)
    return found


DO: dict[str, Callable[[WorkOrder], Any]] = {
    "ApproveWorkOrder": lambda found: found.approve("people/ada", NOW),
    "ReviseWorkOrder": lambda found: found.revise("people/paul", NOW, "other parts"),
    "RescheduleWorkOrder": lambda found: found.reschedule(NOW, NOW, "later", "people/paul", NOW),
    "StartWorkOrder": lambda found: found.start(TINA, NOW, NOW, "emergency"),
    "PauseWorkOrder": lambda found: found.pause(TINA, NOW, "lunch"),
    "ResumeWorkOrder": lambda found: found.resume(TINA, NOW),
    "CompleteWorkOrder": lambda found: complete(fulfilled(found), Outcome.NOT_DONE),
    "ReopenWorkOrder": lambda found: found.reopen("people/paul", NOW, "leaks"),
    "CloseWorkOrder": lambda found: found.close("people/paul", NOW),
    "CancelWorkOrder": lambda found: found.cancel("people/paul", NOW, "sold"),
}

LEADS_TO = {
    "ApproveWorkOrder": State.APPROVED, "ReviseWorkOrder": State.PLANNED, "StartWorkOrder": State.IN_PROGRESS,
    "PauseWorkOrder": State.PAUSED, "ResumeWorkOrder": State.IN_PROGRESS, "CompleteWorkOrder": State.COMPLETED,
    "ReopenWorkOrder": State.IN_PROGRESS, "CloseWorkOrder": State.CLOSED, "CancelWorkOrder": State.CANCELLED,
}  # fmt: skip

SPECIFIED = {
    "ApproveWorkOrder": "PLANNED", "ReviseWorkOrder": "APPROVED READY", "RescheduleWorkOrder": "PLANNED APPROVED READY",
    "StartWorkOrder": "READY APPROVED", "PauseWorkOrder": "IN_PROGRESS", "ResumeWorkOrder": "PAUSED",
    "CompleteWorkOrder": "IN_PROGRESS PAUSED APPROVED READY", "ReopenWorkOrder": "COMPLETED",
    "CloseWorkOrder": "COMPLETED", "CancelWorkOrder": "PLANNED APPROVED READY",
}  # fmt: skip


@pytest.mark.rule("MNT-150")
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("command", DO)
def test_a_command_moves_from_its_states_only_and_names_what_is_allowed(command: str, state: State) -> None:
    found = order(state)
    if state in SPECIFIED[command].split():
        DO[command](found)
        assert found.state is LEADS_TO.get(command, state)
        return
    with pytest.raises(TransitionNotAllowed) as refused:
        DO[command](found)
    allowed = [name for name, states in SPECIFIED.items() if state in states.split()]
    assert refused.value.metadata["state"] == state
    assert sorted(refused.value.metadata["allowed"].split(", ")) == sorted(allowed or ["nothing"])
    assert found.state is state
    assert found.journal == []


@pytest.mark.rule("MNT-150")
def test_every_pair_of_states_has_a_command_or_is_readiness() -> None:
    used = {
        (state, LEADS_TO[command]) for command, states in COMMANDS.items() if command in LEADS_TO for state in states
    }
    assert used | {(State.APPROVED, State.READY), (State.READY, State.APPROVED)} == PAIRS


def demanding(state: State = State.PLANNED) -> WorkOrder:
    found = order(state)
    found.demand("items/filter", Decimal(2), "H87", mandatory=True)
    return found


@pytest.mark.rule("MNT-181")
def test_an_order_waits_for_a_mandatory_part_and_becomes_ready_with_it() -> None:
    found = demanding()
    found.approve("people/ada", NOW)
    found.judge(NOW)
    assert (found.state, found.wait_reasons) == (State.APPROVED, ["PARTS"])
    found.part_demands[0].reserved(Decimal(1), "r")
    found.judge(NOW)
    assert (found.state, found.part_demands[0].state) == (State.APPROVED, DemandState.SHORT)
    found.part_demands[0].reserved(Decimal(2), "r")
    found.judge(NOW)
    assert (found.state, found.wait_reasons) == (State.READY, [])
    found.part_demands[0].released()
    found.judge(NOW)
    assert (found.state, found.wait_reasons) == (State.APPROVED, ["PARTS"])


@pytest.mark.rule("MNT-181")
def test_an_optional_part_keeps_nobody_waiting() -> None:
    found = order()
    found.demand("items/paint", Decimal(1), "LTR", mandatory=False)
    found.approve("people/ada", NOW)
    found.judge(NOW)
    assert found.state is State.READY


@pytest.mark.rule("MNT-160")
def test_a_start_without_parts_names_them_and_an_override_passes_them() -> None:
    found = demanding(State.APPROVED)
    found.judge(NOW)
    with pytest.raises(GateNotMet) as refused:
        found.start(TINA, NOW, NOW, "")
    assert refused.value.metadata["gates"] == "PARTS"
    event = found.start(TINA, NOW, NOW, "oil on the road")
    assert list(event.overrides) == ["PARTS"]
    assert found.wait_reasons == []
    assert "oil on the road" in found.journal[-1].text


@pytest.mark.rule("MNT-180")
def test_each_approval_states_all_demands_with_a_new_version() -> None:
    found = demanding()
    first = found.approve("people/ada", NOW)
    found.revise("people/paul", NOW, "more")
    found.replace_demands(
        [
            {"item": "items/filter", "quantity": Decimal(2), "unit_code": "H87", "mandatory": True},
            {"item": "items/seal", "quantity": Decimal(1), "unit_code": "H87", "mandatory": True},
        ]
    )
    second = found.approve("people/ada", NOW)
    assert (first.demand_version, second.demand_version) == (1, 2)
    assert [(row.demand, row.item) for row in second.part_demands] == [("p1", "items/filter"), ("p2", "items/seal")]


@pytest.mark.rule("MNT-180")
def test_what_is_reserved_for_an_unchanged_demand_stays_through_a_revision() -> None:
    found = demanding()
    found.approve("people/ada", NOW)
    found.part_demands[0].reserved(Decimal(2), "r")
    found.judge(NOW)
    found.revise("people/paul", NOW, "paint it too")
    same = {"item": "items/filter", "quantity": Decimal(2), "unit_code": "H87", "mandatory": True}
    found.replace_demands([same])
    found.approve("people/ada", NOW)
    found.judge(NOW)
    assert found.state is State.READY
    found.revise("people/paul", NOW, "another filter")
    found.replace_demands([same | {"item": "items/other"}])
    found.approve("people/ada", NOW)
    found.judge(NOW)
    assert (found.state, found.part_demands[0].reservation) == (State.APPROVED, "")


@pytest.mark.parametrize(
    ("values", "field"),
    [({"quantity": Decimal(0)}, "part_demands.quantity.value"), ({"demand": "p1"}, "part_demands.demand")],
)
def test_a_demand_needs_a_quantity_and_an_id_of_its_own(values: dict[str, Any], field: str) -> None:
    found = demanding()
    with pytest.raises(FieldInvalid) as refused:
        found.demand(**{"item": "items/x", "quantity": Decimal(1), "unit_code": "H87", "mandatory": True} | values)
    assert refused.value.metadata["field"] == field


@pytest.mark.rule("MNT-152")
@pytest.mark.parametrize("state", [State.PLANNED, State.APPROVED, State.READY])
def test_an_order_with_actuals_is_not_cancelled(state: State) -> None:
    found = demanding(state)
    found.part_demands[0].handed_out(Decimal(1))
    with pytest.raises(ActualsExist) as refused:
        found.cancel("people/paul", NOW, "sold")
    assert refused.value.metadata["actuals"] == "issued parts"
    assert found.state is state


@pytest.mark.rule("MNT-152")
def test_what_has_actuals_but_no_start_ends_as_not_done_only() -> None:
    found = order(State.READY)
    with pytest.raises(GateNotMet, match="not been started"):
        complete(found, Outcome.NOT_DONE)
    found.labor_hours = Decimal(1)
    with pytest.raises(GateNotMet, match="only end as NOT_DONE"):
        complete(found, Outcome.DONE)
    complete(found, Outcome.NOT_DONE)
    assert found.state is State.COMPLETED


@pytest.mark.rule("MNT-153")
@pytest.mark.parametrize(
    ("start", "finish", "fault", "field"),
    [
        (1, 0, FieldInvalid, "start_time"),
        (None, 0, FieldInvalid, "start_time"),
        (0, 5 / 60 + 0.01, TimeInFuture, "finish_time"),
    ],
)
def test_start_lies_before_finish_and_finish_not_in_the_future(
    start: float | None, finish: float, fault: type[FieldInvalid], field: str
) -> None:
    found = order(State.IN_PROGRESS)
    begin = None if start is None else NOW + timedelta(hours=start)
    with pytest.raises(fault) as refused:
        complete(found, start=begin, finish=NOW + timedelta(hours=finish))
    assert refused.value.metadata["field"] == field
    assert found.state is State.IN_PROGRESS


@pytest.mark.rule("MNT-153")
def test_a_finish_five_minutes_ahead_is_accepted() -> None:
    found = order(State.IN_PROGRESS)
    complete(found, finish=NOW + timedelta(minutes=5))
    assert found.actual_finish_time == NOW + timedelta(minutes=5)


@pytest.mark.rule("MNT-154")
@pytest.mark.parametrize(
    ("outcome", "done", "satisfies"),
    [
        (Outcome.DONE, True, True),
        (Outcome.NO_FAULT_FOUND, True, True),
        (Outcome.PARTLY_DONE, True, True),
        (Outcome.PARTLY_DONE, False, False),
        (Outcome.NOT_DONE, True, False),
    ],
)
def test_an_outcome_satisfies_or_not(outcome: Outcome, done: bool, satisfies: bool) -> None:
    found = order(State.IN_PROGRESS)
    found.step("Change the filter", mandatory=True)
    found.step("Wipe the floor", mandatory=False)
    if done:
        found.record_step(1, "done", TINA, NOW)
    complete(found, outcome)
    assert found.satisfies is satisfies


@pytest.mark.rule("MNT-157")
@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.NO_FAULT_FOUND])
def test_mandatory_steps_without_result_hold_up_completion(outcome: Outcome) -> None:
    found = order(State.IN_PROGRESS)
    found.step("Change the filter", mandatory=True)
    with pytest.raises(StepsOpen) as refused:
        complete(found, outcome)
    assert refused.value.metadata["steps"] == "1"
    found.record_step(1, "done", TINA, NOW)
    complete(found, outcome)
    assert found.state is State.COMPLETED


@pytest.mark.rule("MNT-240")
def test_a_corrective_order_is_done_with_its_failure_mode_only() -> None:
    found = order(State.IN_PROGRESS, kind=Kind.CORRECTIVE)
    with pytest.raises(FieldInvalid) as refused:
        complete(found)
    assert refused.value.metadata["field"] == "failure_mode"
    complete(found, failure_mode="leak")
    assert found.failure_mode == "leak"


@pytest.mark.rule("MNT-163")
@pytest.mark.parametrize("state", State)
def test_a_step_is_recorded_in_any_state(state: State) -> None:
    found = order(state)
    found.step("Look", mandatory=True)
    found.record_step(1, "clean", TINA, NOW)
    assert (found.steps[0].result, found.steps[0].person) == ("clean", TINA)


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(FieldInvalid):
        order(State.IN_PROGRESS).record_step(1, "clean", TINA, NOW)


@pytest.mark.rule("MNT-128")
def test_moving_the_window_moves_need_times_and_never_the_required_date() -> None:
    found = demanding()
    found.required_date = date(2026, 5, 10)
    start = NOW + timedelta(days=30)
    event = found.reschedule(start, start + timedelta(hours=4), "no crane", "people/paul", NOW)
    assert found.required_date == date(2026, 5, 10)
    assert found.part_demands[0].need_time == start
    assert event.planned_start_time.ToDatetime(tzinfo=UTC) == start
    with pytest.raises(FieldInvalid):
        found.reschedule(start, start - timedelta(hours=1), "?", "people/paul", NOW)


@pytest.mark.rule("MNT-260")
def test_cost_is_booked_once_for_its_source() -> None:
    found = order(State.IN_PROGRESS)
    for amount in ("12.34", "99"):
        found.book(CostKind.PART, Decimal(amount), "movements/1", NOW.date())
    found.book(CostKind.PART, Decimal("-2.34"), "movements/2", NOW.date())
    assert found.cost == 10
    assert len(found.cost_lines) == 2


@pytest.mark.rule("MNT-184")
def test_parts_are_booked_as_handed_out_and_brought_back() -> None:
    found = demanding(State.IN_PROGRESS)
    row = found.part_demands[0]
    row.reserved(Decimal(2), "r")
    row.handed_out(Decimal("1.5"))
    assert (row.issued, row.allocated, row.covered) == (Decimal("1.5"), Decimal("0.5"), True)
    row.handed_out(Decimal("0.5"))
    assert row.state is DemandState.ISSUED
    row.handed_out(Decimal(-2))
    assert (row.issued, row.state, row.covered) == (0, DemandState.SHORT, False)


@pytest.mark.rule("MNT-155")
def test_a_reopened_order_can_be_completed_again() -> None:
    found = order(State.IN_PROGRESS)
    complete(found)
    event = found.reopen("people/paul", NOW, "leaks again")
    assert event.reopened
    assert (found.outcome, found.actual_finish_time) == (None, None)
    complete(found, Outcome.NO_FAULT_FOUND)
    assert [entry.text.split(":")[0] for entry in found.journal] == ["completed", "reopened", "completed"]
