"""Goods that left and come back in parts (MAT-48, MAT-111)."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.under_way import spread, worth

AMOUNTS = st.lists(st.integers(min_value=1, max_value=1000), min_size=1, max_size=8)


@pytest.mark.rule("MAT-48")
def test_ten_of_three_come_back_as_they_add_up() -> None:
    assert [worth(D(10), D(3), D(before), D(1)) for before in range(3)] == [D("3.33"), D("3.34"), D("3.33")]


@pytest.mark.rule("MAT-48")
@given(AMOUNTS, st.integers(min_value=0, max_value=10**8), st.sampled_from([0, 2, 3]))
def test_parts_in_any_order_are_worth_the_whole_and_never_less_than_nothing(
    parts: list[int], value: int, digits: int
) -> None:
    whole, worths, before = D(sum(parts)), [], D(0)
    amount = D(value).scaleb(-digits)
    for part in parts:
        worths.append(worth(amount, whole, before, D(part), digits))
        before += part
    assert sum(worths) == amount
    assert all(found >= 0 for found in worths)


@pytest.mark.rule("MAT-111")
@given(AMOUNTS, st.integers(min_value=0, max_value=9000))
def test_an_amount_is_taken_from_the_first_lines_and_never_more_than_they_hold(there: list[int], amount: int) -> None:
    lines = [D(found) for found in there]
    parts = spread(lines, D(amount))
    assert sum(parts) == min(D(amount), sum(lines))
    assert all(0 <= part <= line for part, line in zip(parts, lines, strict=True))
    assert all(line == part for line, part, later in zip(lines, parts, parts[1:], strict=False) if later)
