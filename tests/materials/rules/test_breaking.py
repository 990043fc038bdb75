"""Whose claim is broken: lowest priority first, then the newest; never more than is needed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.breaking import Claim, plan

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def claim(name: str, quantity: int, priority: int = 3, hour: int = 0, balance: str = "b") -> Claim:
    return Claim(name, balance, D(quantity), priority, MONDAY + timedelta(hours=hour))


@pytest.mark.rule("MAT-77")
@pytest.mark.parametrize(
    ("free", "needed", "broken"),
    [
        (0, 2, [("low", 2)]),
        (0, 5, [("low", 4), ("newer", 1)]),
        (3, 5, [("low", 2)]),
        (5, 5, []),
        (0, 12, [("low", 4), ("newer", 4), ("older", 4)]),
        (0, None, [("low", 4), ("newer", 4), ("older", 4), ("high", 4)]),
        (0, 99, [("low", 4), ("newer", 4), ("older", 4), ("high", 4)]),
    ],
)
def test_the_lowest_priority_loses_first_then_the_newest(
    free: int, needed: int | None, broken: list[tuple[str, int]]
) -> None:
    claims = [claim("older", 4, hour=1), claim("high", 4, 1, hour=9), claim("low", 4, 5), claim("newer", 4, hour=2)]
    found = plan(claims, {"b": D(free)}, {"b": None if needed is None else D(needed)})
    assert [(row.reservation, int(amount)) for row, amount in found] == broken


_CLAIMS = st.lists(
    st.builds(
        claim, st.sampled_from("abcdef"), st.integers(1, 9), st.integers(1, 5), st.integers(0, 3),
        st.sampled_from(["x", "y"]),
    ),
    max_size=8,
    unique_by=lambda row: (row.reservation, row.balance),
)  # fmt: skip


@pytest.mark.rule("MAT-77")
@given(_CLAIMS, st.integers(0, 9), st.integers(0, 30))
def test_no_more_is_broken_than_is_needed_or_claimed(claims: list[Claim], free: int, needed: int) -> None:
    found = plan(claims, {"x": D(free)}, {"x": D(needed), "y": None})
    held = {balance: sum(row.quantity for row in claims if row.balance == balance) for balance in "xy"}
    broken = {balance: sum(amount for row, amount in found if row.balance == balance) for balance in "xy"}
    assert broken == {"x": min(held["x"], max(D(needed - free), D(0))), "y": held["y"]}
    assert all(0 < amount <= row.quantity for row, amount in found)
