"""When stock is asked for, and how much."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.replenishment import Position, needed

D = Decimal
amounts = st.integers(0, 500).map(Decimal)


def at(total: int) -> Position:
    return Position(D(max(total, 0)), D(0), D(0), D(0), D(max(-total, 0)))


@pytest.mark.rule("MAT-164")
def test_the_position_is_usable_stock_and_supply_to_come_less_open_demand() -> None:
    position = Position(D(7), D(5), D(3), D(2), D(11))
    assert position.total == 6
    assert position.words() == [
        "on hand 7", "in inspection 5", "asked for 3", "ordered 2", "open demand 11", "position 6",
    ]  # fmt: skip


@pytest.mark.rule("MAT-165")
@pytest.mark.parametrize(
    ("kind", "total", "asked"),
    [
        ("REORDER_POINT", 11, 0),
        ("REORDER_POINT", 10, 24),
        ("REORDER_POINT", -20, 48),
        ("MIN_MAX", 10, 0),
        ("MIN_MAX", 9, 41),
        ("MIN_MAX", -5, 55),
    ],
)
def test_a_policy_asks_at_its_point_for_its_quantity(kind: str, total: int, asked: int) -> None:
    assert needed(kind, at(total), D(10), D(24), D(50)) == asked


@pytest.mark.rule("MAT-165")
@given(on_hand=amounts, ordered=amounts, demand=amounts, point=amounts, lot_size=st.integers(1, 90).map(Decimal))
def test_what_is_asked_lifts_the_position_above_the_point_and_no_further(
    on_hand: Decimal, ordered: Decimal, demand: Decimal, point: Decimal, lot_size: Decimal
) -> None:
    position = Position(on_hand, D(0), D(0), ordered, demand)
    asked = needed("REORDER_POINT", position, point, lot_size, D(0))
    assert asked % lot_size == 0
    if asked:
        assert point < position.total + asked <= point + lot_size
        after = Position(on_hand, D(0), asked, ordered, demand)
        assert needed("REORDER_POINT", after, point, lot_size, D(0)) == 0
    else:
        assert position.total > point
