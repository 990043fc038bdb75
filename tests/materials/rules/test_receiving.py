"""Spread of a delivery over order lines."""

from decimal import Decimal as D
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.receiving import Room, fitting, spread

amounts = st.integers(0, 50).map(D)
rooms = st.tuples(amounts, amounts).map(lambda pair: Room(min(pair), max(pair)))


@pytest.mark.rule("MAT-96")
@pytest.mark.parametrize(
    ("lines", "amount", "parts", "excess"),
    [
        ([(2, 2), (5, 5)], 3, [2, 1], 0),
        ([(2, 3), (5, 6)], 8, [3, 5], 0),
        ([(2, 3), (5, 6)], 10, [3, 6], 1),
        ([], 4, [], 4),
    ],
)
def test_the_earliest_get_what_they_await_and_the_rest_goes_where_more_is_accepted(
    lines: list[tuple[int, int]], amount: int, parts: list[int], excess: int
) -> None:
    found = spread([Room(D(awaited), D(accepted)) for awaited, accepted in lines], D(amount))
    assert found == ([D(part) for part in parts], D(excess))


@pytest.mark.rule("MAT-96")
@given(st.lists(rooms, max_size=6), amounts)
def test_nothing_gets_lost_and_no_line_gets_more_than_it_accepts(lines: list[Room], amount: D) -> None:
    parts, excess = spread(lines, amount)
    assert sum(parts, excess) == amount
    assert all(0 <= part <= line.accepted for part, line in zip(parts, lines, strict=True))
    assert excess == max(D(0), amount - sum((line.accepted for line in lines), D(0)))
    if sum((line.awaited for line in lines), D(0)) >= amount:
        assert all(part <= line.awaited for part, line in zip(parts, lines, strict=True))


@pytest.mark.rule("MAT-96")
@pytest.mark.parametrize(("limit", "step", "most"), [("5/2", "1", "2"), ("5/2", "0.5", "2.5"), ("-1", "1", "0")])
def test_what_fits_is_on_the_grid_of_the_item(limit: str, step: str, most: str) -> None:
    assert fitting(Fraction(limit), D(step)) == D(most)
