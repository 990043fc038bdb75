"""Days of the past played again."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.backtests import History, Measures, Need, run
from services.materials.rules.replenishment import Parameters

D = Decimal
FIRST = date(2026, 1, 1)


def at(number: int) -> date:
    return FIRST + timedelta(days=number)


def rule(method: str = "MIN_MAX", point: int = 10, maximum: int = 50, **given_: Any) -> Parameters:
    return Parameters("r", method, D(point), maximum=D(maximum), **given_)


def history(opening: int, *needs: Need, days: int = 10, value: str = "2") -> History:
    return History("items/i", FIRST, at(days), D(opening), needs, D(value))


@pytest.mark.rule("MAT-163")
def test_a_play_of_ten_days_by_hand() -> None:
    # 12 on hand; 5 are needed each second day; below 10 the rest up to 20 is asked for and comes after 3 days
    needs = [Need(at(n), at(n), D(5)) for n in (0, 2, 4, 6, 8)]
    found = run(rule(maximum=20, lead_days=3), history(12, *needs))
    # day 0: 7 left, 13 asked for, come on day 3; 2: 2; 3: 15; 4: 10; 6: 5, 15 asked for, come on day 9; 8: 0; 9: 15
    assert (found.needed, found.covered, found.stock_out_days, found.asked) == (25, 25, 0, 2)
    assert found.stock_days == 7 + 7 + 2 + 15 + 10 + 10 + 5 + 5 + 0 + 15
    assert (found.mean_quantity, found.mean_value, found.fill_rate) == (D("7.6"), D("15.2"), 1)
    assert found.needs_per_month == D("6.0875")


@pytest.mark.rule("MAT-163")
def test_what_is_not_there_is_a_stock_out_until_it_comes() -> None:
    found = run(rule(lead_days=4), history(3, Need(at(1), at(1), D(8))))
    # day 0: 3 are below 10, 47 asked for; day 1: 3 of 8 are served, 5 wait until day 4
    assert (found.needed, found.covered, found.stock_out_days) == (8, 3, 3)
    assert found.fill_rate == D("0.375")


@pytest.mark.rule("MAT-163")
def test_demand_counts_from_the_day_on_which_it_is_known() -> None:
    early, late = Need(at(0), at(5), D(30)), Need(at(5), at(5), D(30))
    parameters = rule(point=10, maximum=40, lead_days=2)
    assert run(parameters, history(35, early)).covered == 30
    assert run(parameters, history(35, early)).asked == 1
    foreseen, surprised = (run(parameters, history(25, need)) for need in (early, late))
    assert (foreseen.covered, surprised.covered) == (30, 25)
    assert run(rule(point=10, maximum=40, lead_days=2, horizon_days=1), history(25, early)).covered == 25
    told_late = Need(at(7), at(5), D(30))  # recorded two days after
    assert [run(parameters, history(25, need, days=7)).needed for need in (late, told_late)] == [30, 0]


@pytest.mark.rule("MAT-163")
def test_reviews_ask_on_their_days_alone() -> None:
    found = run(rule("PERIODIC", 0, 20, lead_days=1), history(0, Need(at(1), at(1), D(5))), review_days=7)
    assert (found.asked, found.covered) == (2, 5)
    assert run(rule("PERIODIC", 0, 20, lead_days=1), history(0, Need(at(8), at(8), D(5))), review_days=7).asked == 1


@pytest.mark.rule("MAT-163")
def test_measures_of_items_add_up_and_nothing_needed_has_no_fill_rate() -> None:
    one, two = run(rule(), history(20, Need(at(1), at(1), D(5)))), run(rule(), history(40))
    both = one + two
    assert (both.days, both.item_days, both.stock_days) == (10, 20, one.stock_days + two.stock_days)
    assert both.mean_quantity == one.mean_quantity + two.mean_quantity
    assert (two.fill_rate, Measures().mean_value) == (None, 0)


@pytest.mark.rule("MAT-163")
@given(
    opening=st.integers(0, 60),
    needs=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29), st.integers(1, 20)), max_size=12),
    lead=st.integers(0, 6),
    method=st.sampled_from(["MIN_MAX", "PERIODIC", "REORDER_POINT"]),
)
def test_nothing_is_served_that_was_not_needed_and_nothing_comes_from_nowhere(
    opening: int, needs: list[tuple[int, int, int]], lead: int, method: str
) -> None:
    given_ = rule(method, order_quantity=D(15), lead_days=lead)
    found = run(given_, history(opening, *(Need(at(a), at(b), D(n)) for a, b, n in needs), days=30), review_days=5)
    assert 0 <= found.covered <= found.needed <= sum(n for _, _, n in needs)
    assert 0 <= found.stock_out_days <= 30
    assert found.asked <= 30


@pytest.mark.rule("MAT-163")
def test_each_sum_of_two_items_is_the_sum_of_both() -> None:
    one, two = Measures(10, 10, 1, D(2), D(3), D(4), D(5), 6), Measures(9, 9, 10, D(20), D(30), D(40), D(50), 60)
    assert one + two == two + one == Measures(10, 19, 11, D(22), D(33), D(44), D(55), 66)
    assert Measures(needed=D(3), covered=D(2)).fill_rate == D("0.666667")
    assert Measures(needed=D(8_000_000), covered=D(1)).fill_rate == D("0.000000")
    assert Measures(needed=D(2_000_000), covered=D(1)).fill_rate == D("0.000001")
