"""The order in which stock is taken."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.allocation import Candidate, order, plan

D = Decimal
TODAY = date(2026, 3, 10)

candidates = st.lists(
    st.builds(
        Candidate,
        balance=st.uuids().map(str), location=st.just("x"), lot=st.text("ab", max_size=2),
        free=st.integers(0, 20).map(Decimal),
        expires=st.one_of(st.none(), st.dates(date(2026, 3, 1), date(2026, 3, 20))),
        received=st.one_of(st.none(), st.datetimes(timezones=st.just(UTC), min_value=datetime(2025, 1, 1))),
        path=st.integers(0, 3),
    ),
    max_size=8,
)  # fmt: skip


def stock(balance: str, free: int = 5, **given: object) -> Candidate:
    return Candidate(balance=balance, location="x", lot="", free=D(free), **given)  # type: ignore[arg-type]


@pytest.mark.rule("MAT-85")
def test_first_expires_then_oldest_then_along_the_path_then_by_name() -> None:
    old, new = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    wanted = [
        stock("e1", expires=date(2026, 4, 1), received=new),
        stock("e2", expires=date(2026, 5, 1), received=old),
        stock("o1", received=old, path=9),
        stock("o2", received=new, path=1),
        stock("p1", path=1),
        stock("p2", path=2),
        stock("p3", path=2),
    ]
    assert [row.balance for row in order(reversed(wanted))] == [row.balance for row in wanted]


@pytest.mark.rule("MAT-86")
def test_the_expiry_date_is_the_last_usable_day() -> None:
    rows = [stock("today", expires=TODAY), stock("gone", expires=date(2026, 3, 9))]
    assert [(row.balance, amount) for row, amount in plan(rows, D(9), TODAY)] == [("today", D(5))]


@pytest.mark.rule("MAT-85")
@given(rows=candidates, needed=st.integers(1, 60).map(Decimal))
def test_a_plan_takes_no_more_than_is_free_and_all_that_may_be_used_if_it_is_short(
    rows: list[Candidate], needed: Decimal
) -> None:
    found = plan(rows, needed, TODAY)
    total = sum((amount for _, amount in found), D(0))
    usable = sum((row.free for row in rows if row.usable(TODAY)), D(0))
    assert total == min(needed, usable)
    assert all(0 < amount <= row.free for row, amount in found)
    assert [row.balance for row, _ in found] == [row.balance for row in order(rows) if row.usable(TODAY)][: len(found)]
