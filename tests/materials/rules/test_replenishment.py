"""When stock is asked for, and how much."""

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.db import json_text
from services.materials.rules import decisions
from services.materials.rules.replenishment import (
    Facts,
    Parameters,
    Supply,
    Verdict,
    evaluate,
    needed,
    outcome,
    record,
    replay,
    words,
)

D = Decimal
TODAY = date(2026, 11, 26)
amounts = st.integers(0, 500).map(Decimal)


def rule(method: str = "REORDER_POINT", **given: Any) -> Parameters:
    values = {"reorder_point": D(10), "order_quantity": D(24), "maximum": D(50), **given}
    return Parameters("materialsPolicies/p/revisions/r1", method, unit_code="H87", **values)


def asked(parameters: Parameters, on_hand: int | Decimal = 0, demand: int = 0, *supplies: Supply) -> Verdict:
    return evaluate(parameters, Facts("items/i", TODAY, D(on_hand), D(demand), supplies))


def order(quantity: int, days: int | None) -> Supply:
    return Supply("ORDER", f"po-{days}", D(quantity), None if days is None else TODAY + timedelta(days=days))


@pytest.mark.rule("MAT-164")
def test_the_position_is_usable_stock_and_supply_to_come_less_open_demand() -> None:
    kinds = ("INSPECTION", "REQUEST", "REQUISITION", "ORDER", "TRANSFER", "PRODUCTION")
    found = asked(rule(), 7, 40, *(Supply(kind, kind, D(2**n)) for n, kind in enumerate(kinds)))
    assert found.position == 7 + 63 - 40
    assert words(rule(), found) == [
        "on hand 7", "in inspection 1", "asked for 6", "ordered 8", "under way 16", "being made 32", "open demand 40",
        "position 30", "reorder point 10", "REORDER_POINT asks for 0",
    ]  # fmt: skip


@pytest.mark.rule("MAT-164")
@pytest.mark.parametrize(
    ("days", "exclude", "position", "expected", "late"),
    [
        (3, False, 30, 3, False),
        (0, False, 30, 0, False),
        (-1, False, 30, 4, True),
        (None, False, 30, None, False),
        (0, True, 30, 0, False),
        (-1, True, 0, None, True),
        (None, True, 30, None, False),
    ],
)
def test_late_supply_counts_after_the_usual_delay_and_is_expedited_unless_it_is_excluded(
    days: int | None, exclude: bool, position: int, expected: int | None, late: bool
) -> None:
    found = asked(rule(delay_days=4, exclude_overdue=exclude), 0, 0, order(30, days))
    assert found.position == position
    dates = [row.expected for row in found.counted]
    assert dates == ([None if expected is None else TODAY + timedelta(days=expected)] if position else [])
    assert [row.supply.resource for row in found.expedite] == ([f"po-{days}"] if late else [])
    assert (found.quantity > 0) is (position == 0)


@pytest.mark.rule("MAT-165")
@pytest.mark.parametrize(
    ("method", "position", "quantity"),
    [
        ("REORDER_POINT", 11, 0),
        ("REORDER_POINT", 10, 24),
        ("REORDER_POINT", -20, 48),
        ("MIN_MAX", 10, 0),
        ("MIN_MAX", 9, 41),
        ("MIN_MAX", -5, 55),
        ("PERIODIC", 50, 0),
        ("PERIODIC", 49, 1),
        ("PERIODIC", 60, 0),
        ("PERIODIC", -5, 55),
    ],
)
def test_a_policy_asks_at_its_point_for_its_quantity(method: str, position: int, quantity: int) -> None:
    assert needed(method, D(position), D(10), D(24), D(50)) == quantity
    assert asked(rule(method), max(position, 0), max(-position, 0)).quantity == quantity


@pytest.mark.rule("MAT-166")
@pytest.mark.parametrize(
    ("multiple", "cap", "on_hand", "quantity"),
    [
        (0, False, 9, 41),
        (12, False, 9, 48),
        (12, True, 9, 36),
        (12, False, 2, 48),
        (12, True, 2, 48),
        (60, True, 9, 0),
        (60, False, 9, 60),
    ],
)
def test_multiples_are_rounded_up_unless_the_maximum_caps_them(
    multiple: int, cap: bool, on_hand: int, quantity: int
) -> None:
    assert asked(rule("MIN_MAX", multiple=D(multiple), cap_at_max=cap), on_hand).quantity == quantity


@pytest.mark.rule("MAT-166")
def test_without_a_multiple_a_need_is_brought_to_the_grid_of_the_item() -> None:
    found = asked(rule("MIN_MAX", step=D("0.25")), D("9.1"))
    assert (found.needed, found.quantity) == (D("40.9"), D("41"))
    assert words(rule("MIN_MAX", step=D("0.25")), found)[-2:] == [
        "40.9 in multiples of 0.25 is 41", "MIN_MAX asks for 41",
    ]  # fmt: skip


@pytest.mark.rule("MAT-164")
def test_a_decision_says_what_is_late_and_what_its_method_looks_at() -> None:
    assert words(rule(), asked(rule(), 0, 0, order(30, -1)))[-3:] == [
        "late: po--1, 30", "reorder point 10", "REORDER_POINT asks for 0",
    ]  # fmt: skip
    face = asked(rule("PICK_FACE"), 3, 2, Supply("TASK", "t", D(5)))
    assert words(rule("PICK_FACE"), face) == [
        "on hand 3", "on tasks 5", "open picks 2", "position 6", "reorder point 10", "PICK_FACE asks for 44",
    ]  # fmt: skip
    cards = asked(rule("KANBAN"), 0, 20)
    assert words(rule("KANBAN"), cards) == ["on hand 0", "empty containers 20", "position -20", "KANBAN asks for 20"]
    review = asked(rule("PERIODIC"), 0, 20)
    assert words(rule("PERIODIC"), review)[-3:] == ["open demand 20", "position -20", "PERIODIC asks for 70"]


@pytest.mark.rule("MAT-165")
@given(on_hand=amounts, ordered=amounts, demand=amounts, point=amounts, lot_size=st.integers(1, 90).map(Decimal))
def test_what_is_asked_lifts_the_position_above_the_point_and_no_further(
    on_hand: Decimal, ordered: Decimal, demand: Decimal, point: Decimal, lot_size: Decimal
) -> None:
    given_, coming = rule(reorder_point=point, order_quantity=lot_size), Supply("ORDER", "po", ordered)
    facts = Facts("items/i", TODAY, on_hand, demand, (coming,))
    found = evaluate(given_, facts)
    assert found.quantity % lot_size == 0
    if found.quantity:
        assert point < found.position + found.quantity <= point + lot_size
        after = Facts("items/i", TODAY, on_hand, demand, (coming, Supply("REQUEST", "r", found.quantity)))
        assert evaluate(given_, after).quantity == 0
    else:
        assert found.position > point


@pytest.mark.rule("MAT-162")
@given(
    on_hand=st.decimals(0, 500, places=3),
    demand=amounts,
    quantity=st.decimals("0.001", 90, places=3),
    days=st.none() | st.integers(-9, 9),
    method=st.sampled_from(["REORDER_POINT", "MIN_MAX", "PERIODIC"]),
    exclude=st.booleans(),
    multiple=st.integers(0, 12).map(Decimal),
    horizon=st.none() | st.integers(0, 9),
)
def test_recorded_inputs_give_the_same_bytes_again(
    on_hand: Decimal, demand: Decimal, quantity: Decimal, days: int | None, method: str, exclude: bool,
    multiple: Decimal, horizon: int | None,
) -> None:  # fmt: skip
    parameters = rule(method, exclude_overdue=exclude, multiple=multiple, horizon_days=horizon)
    expected = None if days is None else TODAY + timedelta(days=days)
    facts = Facts("items/i", TODAY, on_hand, demand, (Supply("ORDER", "po", quantity, expected),))
    kept = json_text(record(parameters, facts))
    made = json_text(outcome(parameters, evaluate(parameters, facts)))
    assert json_text(replay(json.loads(kept))) == made
    assert json_text(record(*decisions_of(kept))) == kept


def decisions_of(kept: str) -> tuple[Parameters, Facts]:
    """Inputs as they were recorded."""
    given_ = json.loads(kept)
    supplies = tuple(decisions.read_row(Supply, row) for row in given_["facts"]["supplies"])
    return (
        decisions.read_row(Parameters, given_["parameters"]),
        decisions.read_row(Facts, {**given_["facts"], "supplies": supplies}),
    )
