"""What production has used, computed from what it reported."""

from datetime import date
from decimal import Decimal as D
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import backflush
from services.materials.rules.backflush import Count, Source

ONE = D(1)


def consumed(per_unit: Fraction, goods: list[int], unit_code: str = "H87", step: D = ONE) -> list[D]:
    """What each of several reports of good units uses."""
    found: list[D] = []
    for index in range(len(goods)):
        need = backflush.brought(per_unit * sum(goods[: index + 1]), unit_code, step)
        found.append(max(need - sum(found, D(0)), D(0)))
    return found


@pytest.mark.rule("MAT-122")
@pytest.mark.parametrize(
    ("per_unit", "goods", "used"),
    [
        (Fraction(1, 2), [1, 1, 1], [1, 0, 1]),
        (Fraction(2), [1, 3], [2, 6]),
        (Fraction(1, 3), [1, 1, 1, 1], [1, 0, 0, 1]),
        (Fraction(3, 2), [1, 1], [2, 1]),
    ],
)
def test_what_is_counted_is_used_whole_and_cumulatively(per_unit: Fraction, goods: list[int], used: list[int]) -> None:
    assert consumed(per_unit, goods) == used


@pytest.mark.rule("MAT-122")
def test_what_is_measured_goes_to_the_nearest_step_once() -> None:
    assert consumed(Fraction(1, 3), [1, 1, 1], "KGM", D("0.001")) == [D("0.333"), D("0.334"), D("0.333")]


@pytest.mark.rule("MAT-122")
@pytest.mark.parametrize(
    ("counts", "operation", "units"),
    [
        # A at 10, B at 30, 2 scrapped at 20: A for 2, no B
        ({10: Count(), 20: Count(scrap=D(2)), 30: Count()}, 10, 2),
        ({10: Count(), 20: Count(scrap=D(2)), 30: Count()}, 30, 0),
        # those of 10 were used already when 10 was reported
        ({10: Count(D(10)), 20: Count(scrap=D(2)), 30: Count()}, 10, 10),
        # only the last operation is reported: all before it was done too
        ({10: Count(), 20: Count(scrap=D(2)), 30: Count(D(8))}, 10, 10),
        ({10: Count(), 20: Count(scrap=D(2)), 30: Count(D(8))}, 30, 8),
        ({10: Count(D(5), D(1)), 20: Count(D(5))}, 10, 6),
    ],
)
def test_scrap_takes_of_its_operation_and_of_earlier_ones(counts: dict[int, Count], operation: int, units: int) -> None:
    assert backflush.passed(counts, operation) == units


counted = st.dictionaries(
    st.sampled_from([10, 20, 30]),
    st.builds(Count, st.integers(0, 50).map(D), st.integers(0, 9).map(D)), min_size=1,
)  # fmt: skip


@given(counted, st.sampled_from([10, 20, 30]), st.integers(1, 5))
def test_more_reported_is_never_less_used(counts: dict[int, Count], operation: int, more: int) -> None:
    before = backflush.passed(counts, operation)
    for number, count in counts.items():
        for grown in (Count(count.good + more, count.scrap), Count(count.good, count.scrap + more)):
            after = backflush.passed({**counts, number: grown}, operation)
            assert before <= after <= before + more or number < operation
    assert before >= backflush.passed(counts, operation + 10)


@given(st.fractions(Fraction(1, 50), 5), st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_reports_together_use_what_one_report_would(per_unit: Fraction, goods: list[int]) -> None:
    assert sum(consumed(per_unit, goods)) == backflush.brought(per_unit * sum(goods), "H87", ONE)


@pytest.mark.rule("MAT-130")
def test_what_is_lost_on_the_way_is_needed_too() -> None:
    assert backflush.needed(Fraction(9), D(10)) == 10
    assert backflush.needed(Fraction(1), D(0)) == 1


@pytest.mark.rule("MAT-124")
@pytest.mark.parametrize(
    ("used", "outside"), [(110, False), (111, True), (95, False), (94, True), (100, False)]
)  # fmt: skip
def test_the_tolerance_has_its_limits_inside(used: int, outside: bool) -> None:
    assert backflush.outside(D(used), D(100), D(10), D(5)) is outside


def source(lot: str, left: int, expires: int = 0, operation: int = 0) -> Source:
    return Source(
        f"b-{lot}-{operation}", "i", "line", lot, "", "", D(left),
        date(2030, 1, expires) if expires else None, operation=operation,
    )  # fmt: skip


@pytest.mark.rule("MAT-123")
def test_stock_of_the_order_is_used_by_its_operation_then_by_expiry() -> None:
    sources = [source("late", 5, 9), source("none", 5), source("early", 5, 3), source("issued", 2, 8, operation=10)]
    parts = backflush.draw(sources, D(11), 10)
    assert [(part.source.lot, part.quantity) for part in parts] == [("issued", 2), ("early", 5), ("late", 4)]
    assert all(part.pooled for part in parts)
    assert [source.left for source in sources] == [1, 5, 0, 0]


@pytest.mark.rule("MAT-123")
def test_what_has_expired_is_not_used_and_less_is_given_where_less_is_there() -> None:
    sources = [source("gone", 5, 3), source("fresh", 2, 9)]
    parts = backflush.draw(sources, D(4), today=date(2030, 1, 4))
    assert [(part.source.lot, part.quantity, part.pooled) for part in parts] == [("fresh", 2, False)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=6), st.integers(0, 40))
def test_no_more_is_drawn_than_is_there_or_asked(rows: list[tuple[str, int]], amount: int) -> None:
    sources = [source(lot, left, number + 1) for number, (lot, left) in enumerate(rows)]
    parts = backflush.draw(sources, D(amount))
    assert backflush.total(parts) == min(amount, sum(left for _, left in rows))
    assert all(part.quantity > 0 and part.source.left >= 0 for part in parts)
