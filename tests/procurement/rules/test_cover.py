"""What a line still brings to whom, and shares that end at the whole."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.procurement.rules.cover import coming, floor, share

D = Decimal


def exact(*values: int) -> list[Fraction]:
    return [Fraction(value) for value in values]


@pytest.mark.rule("PRC-63")
def test_a_part_receipt_goes_to_the_earliest_need() -> None:
    """Received 4 of 9 for 6 (3 June) and 3 (5 June): the 4 go to 3 June."""
    assert coming(exact(6, 3), Fraction(4), Fraction(9)) == exact(2, 3)


@pytest.mark.rule("PRC-61")
def test_a_line_that_brings_less_takes_from_the_last_need() -> None:
    assert coming(exact(6, 3), Fraction(0), Fraction(7)) == exact(6, 1)
    assert coming(exact(6, 3), Fraction(0), Fraction(5)) == exact(5, 0)


@pytest.mark.rule("PRC-61")
@given(needed=st.lists(st.integers(0, 20), max_size=5), accepted=st.integers(0, 60), top=st.integers(0, 60))
def test_needs_never_get_more_than_they_ask_nor_more_than_comes(needed: list[int], accepted: int, top: int) -> None:
    found = coming(exact(*needed), Fraction(accepted), Fraction(top))
    assert all(0 <= part <= wanted for part, wanted in zip(found, needed, strict=True))
    assert sum(found) <= max(0, top - accepted)


@pytest.mark.rule("PRC-158")
@given(
    parts=st.lists(st.decimals(min_value="0.000001", max_value=10**4, places=6), min_size=1, max_size=6),
    quantity=st.decimals(min_value="0.000001", max_value=10**6, places=6),
)
def test_shares_never_pass_the_whole_and_end_at_exactly_it(parts: list[Decimal], quantity: Decimal) -> None:
    whole = sum(parts, D(0))
    so_far, before = D(0), D(0)
    for part in parts:
        so_far += part
        now = share(so_far, whole, quantity)
        assert before <= now <= quantity
        before = now
    assert before == quantity


def test_a_floor_is_never_above() -> None:
    assert floor(Fraction(2, 3)) == D("0.666666")
    assert floor(Fraction(5)) == 5
