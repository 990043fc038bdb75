"""What can be promised at a day."""

from datetime import date, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.availability import Claim, Coming, Free, Outlook, promised

MONDAY = date(2026, 11, 23)


def on(days: int) -> date:
    return MONDAY + timedelta(days=days)


@pytest.mark.rule("MAT-72")
@pytest.mark.parametrize(("days", "available"), [(0, 10), (1, 8), (2, 5), (3, 1), (4, 8), (9, 7)])
def test_stock_claims_and_receipts_count_from_their_day_on(days: int, available: int) -> None:
    outlook = Outlook(
        free=[Free(D(6)), Free(D(4), on(2))],
        coming=[Coming(D(7), on(4))],
        claims=[Claim(D(2), on(1), (1,)), Claim(D(3), on(2), (2,)), Claim(D(1), on(9), (3,))],
    )
    assert outlook.available(on(days)) == available


@pytest.mark.rule("MAT-72")
def test_claims_behind_ones_own_do_not_count_and_life_has_to_be_left() -> None:
    outlook = Outlook(free=[Free(D(6), on(5))], claims=[Claim(D(2), on(1), (2,)), Claim(D(3), on(1), (4,))])
    assert [outlook.available(on(1), before=(turn,)) for turn in (1, 2, 3, 5)] == [6, 6, 4, 1]
    assert [outlook.available(on(1), before=(1,), life_days=days) for days in (4, 5)] == [6, 0]


@pytest.mark.rule("MAT-72")
@given(st.integers(-9, 30), st.integers(0, 20))
def test_what_is_promised_is_neither_more_than_there_is_nor_than_is_needed(available: int, needed: int) -> None:
    found = promised(D(available), D(needed))
    assert 0 <= found <= needed
    assert found == needed or found == max(available, 0)
