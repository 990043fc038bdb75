"""Assignments and revisions as plain Python: clocks move on, and go on under another revision."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from services.chassis.faults import FieldInvalid
from services.maintenance.model.policy import Assignment, AssignmentUnfit, CatchUp, Kind, MonthRule, Revision, Statutory

TODAY = date(2026, 5, 4)


def revision(name: str = "r1", **given: Any) -> Revision:
    values = {"order_title": "Service", "author": "people/paul", "part_demands": []} | given
    values["kind"] = Kind(given.get("kind", "METER_FIXED"))
    values |= {field: Decimal(given[field]) for field in ("usage_interval", "usage_lead") if field in given}
    return Revision(name=name, policy="maintenancePolicies/p", **values)


def on_meter(made: Revision, anchor: object = 0) -> Assignment:
    found = Assignment(name="sites/h/assets/a/policyAssignments/p", asset="a", policy="p", revision=made.name)
    found.begin_usage(made, "m", Decimal(str(anchor)))
    return found


def on_calendar(made: Revision, anchor: date) -> Assignment:
    found = Assignment(name="sites/h/assets/a/policyAssignments/p", asset="a", policy="p", revision=made.name)
    found.begin_calendar(made, anchor)
    return found


def numbers(found: Assignment, made: Revision, usage: object) -> list[int]:
    return [item.number for item in found.advance(made, Decimal(str(usage)), TODAY)]


@pytest.mark.rule("MNT-52")
def test_a_fixed_meter_grid_counts_from_the_anchor() -> None:
    made = revision(usage_interval="250")
    found = on_meter(made, 100)
    assert numbers(found, made, "349.9") == []
    assert numbers(found, made, 362) == [1]
    assert found.next_usage == 600


@pytest.mark.rule("MNT-84")
def test_a_floating_clock_stands_until_the_work_is_done() -> None:
    made = revision(kind="METER_FLOATING", usage_interval="250")
    found = on_meter(made)
    assert numbers(found, made, 262) == [1]
    assert found.next_usage == 250
    assert found.advance(made, Decimal(900), TODAY, floating=False) == []


@pytest.mark.rule("MNT-80")
@pytest.mark.rule("MNT-90")
def test_a_calendar_clock_begins_one_interval_after_its_anchor() -> None:
    made = revision(kind="FIXED", interval_months=1)
    found = on_calendar(made, date(2026, 1, 31))
    assert (found.next_number, found.next_date) == (1, date(2026, 2, 28))
    dues = found.advance(made, None, TODAY)
    assert [item.day for item in dues] == [date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]
    assert (found.next_number, found.next_date) == (4, date(2026, 5, 31))
    assert found.advance(made, None, TODAY) == []


@pytest.mark.rule("MNT-120")
def test_another_interval_starts_a_new_series_behind_what_fell_due_last() -> None:
    old, new = revision(usage_interval="250"), revision("r2", usage_interval="400")
    found = on_meter(old)
    assert numbers(found, old, 520) == [1, 2]
    found.go_on(old, new)
    assert (found.series, found.next_number, found.next_usage, found.revision) == (2, 2, 800, "r2")


@pytest.mark.rule("MNT-120")
def test_the_same_interval_goes_on_with_the_series() -> None:
    old, new = revision(usage_interval="250"), revision("r2", usage_interval="250", order_title="Other")
    found = on_meter(old)
    numbers(found, old, 520)
    found.go_on(old, new)
    assert (found.series, found.next_number, found.next_usage) == (1, 3, 750)


@pytest.mark.rule("MNT-120")
def test_another_calendar_interval_starts_a_new_series() -> None:
    old, new = revision(kind="FIXED", interval_months=1), revision("r2", kind="FIXED", interval_days=14)
    found = on_calendar(old, date(2026, 1, 1))
    assert len(found.advance(old, None, TODAY)) == 4
    found.go_on(old, new)
    assert (found.series, found.next_date) == (2, date(2026, 5, 7))


@pytest.mark.rule("MNT-120")
def test_from_fixed_to_floating_the_clock_counts_from_what_fell_due_last() -> None:
    old, new = revision(usage_interval="250"), revision("r2", kind="METER_FLOATING", usage_interval="300")
    found = on_meter(old)
    numbers(found, old, 520)
    found.go_on(old, new)
    assert (found.series, found.next_number, found.next_usage) == (2, 1, 800)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (revision(usage_interval="250"), revision(kind="FIXED", interval_days=7)),
        (revision(kind="FIXED", interval_days=7), revision(usage_interval="250")),
    ],
)
def test_a_clock_of_another_nature_is_refused(old: Revision, new: Revision) -> None:
    found = on_meter(old) if old.by_meter else on_calendar(old, TODAY)
    with pytest.raises(AssignmentUnfit):
        found.go_on(old, new)


@pytest.mark.rule("MNT-12")
@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": "METER_FIXED"}, "usage_interval"),
        ({"kind": "METER_FLOATING", "usage_interval": "0"}, "usage_interval"),
        ({"kind": "FIXED"}, "interval_months"),
        ({"kind": "FIXED", "interval_months": 1, "interval_days": 1}, "interval_months"),
        ({"usage_interval": "5", "usage_lead": "-1"}, "usage_lead"),
        (
            {"usage_interval": "5", "part_demands": [{"item": "items/x", "quantity": {"value": "0"}}]},
            "part_demands[0].quantity.value",
        ),
    ],
)
def test_a_kind_needs_its_parameters(values: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldInvalid) as refused:
        revision(**values).checked(statutory=False)
    assert refused.value.metadata["field"] == f"maintenance_revision.{field}"


@pytest.mark.rule("MNT-11")
def test_statutory_work_is_not_left_out() -> None:
    made = revision(kind="FIXED", interval_days=7, catch_up=CatchUp.DROP)
    with pytest.raises(Statutory):
        made.checked(statutory=True)
    made.checked(statutory=False)


def test_what_is_not_said_has_its_default() -> None:
    made = revision(kind="FIXED", interval_days=7, month_rule=MonthRule.MONTH_RULE_UNSPECIFIED)
    made.catch_up, made.order_priority = CatchUp.CATCH_UP_UNSPECIFIED, 0
    made.checked(statutory=False)
    assert (made.month_rule, made.catch_up, made.order_priority) == (MonthRule.CLAMP, CatchUp.ONE, 3)
