"""What an order costs, and how much of it goes into what was made."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import order_cost
from services.materials.rules.order_cost import Input


def put(quantity: int, value: str, lot: str = "a") -> Input:
    return Input(f"{lot}-{quantity}", lot, "", 10, D(quantity), D(value))


@pytest.mark.rule("MAT-127")
@pytest.mark.parametrize(
    ("absorbed", "carry", "beside", "percents", "shares", "left"),
    [
        ("100.00", "0", "0", ["60", "40"], ["60.00", "40.00"], "0"),
        ("10.00", "0", "0", ["33.3", "33.3", "33.4"], ["3.33", "3.33", "3.34"], "0"),
        ("0.01", "0", "0", ["50", "50"], ["0.01", "0.00"], "0"),
        # a by-product lowers the cost, and where it is worth more, that of what comes next
        ("100.00", "0", "15.00", ["100"], ["85.00"], "0"),
        ("100.00", "5.00", "0", ["100"], ["105.00"], "0"),
        ("10.00", "0", "15.00", ["100"], ["0.00"], "-5.00"),
        ("0", "0", "3.00", [], [], "-3.00"),
    ],
)
def test_shares_sum_to_what_was_used_less_by_products(
    absorbed: str, carry: str, beside: str, percents: list[str], shares: list[str], left: str
) -> None:
    found = order_cost.cost(D(absorbed), D(carry), D(beside), [D(percent) for percent in percents])
    assert ([str(share) for share in found.shares], found.carry) == (shares, D(left))


@pytest.mark.rule("MAT-121")
def test_what_was_used_is_shared_over_the_units_that_have_it_and_the_last_takes_the_rest() -> None:
    rows = [put(10, "10.00")]
    values = [sum((row.value for row in order_cost.absorb(rows, D(1), D(left))), D(0)) for left in (3, 2, 1)]
    assert values == [D("3.33"), D("3.34"), D("3.33")]
    assert (rows[0].remaining, rows[0].remaining_value) == (0, 0)


def test_the_oldest_goes_first() -> None:
    rows = [put(4, "4.00", "old"), put(4, "8.00", "new")]
    taken = order_cost.absorb(rows, D(3), D(4))
    assert [(row.input.lot, row.quantity, row.value) for row in taken] == [("old", 4, D("4.00")), ("new", 2, D("4.00"))]
    assert order_cost.absorb(rows, D(0), D(1)) == []


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 10_000)), min_size=1, max_size=5),
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
)
def test_all_that_was_used_is_in_what_was_made_in_the_end(given_rows: list[tuple[int, int]], goods: list[int]) -> None:
    rows = [put(quantity, str(D(cents) / 100)) for quantity, cents in given_rows]
    whole, value = sum(goods), sum(row.remaining_value for row in rows)
    taken = []
    for good in goods:
        taken += order_cost.absorb(rows, D(good), D(whole))
        whole -= good
    assert sum(row.value for row in taken) == value
    assert sum(row.quantity for row in taken) == sum(quantity for quantity, _ in given_rows)
    assert all(row.remaining == row.remaining_value == 0 for row in rows)
    assert all(row.value >= 0 and row.quantity >= 0 for row in taken)
