"""What production has used, computed from what it reported."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import backflush
from services.materials.rules.backflush import Count, Part, Source

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


@pytest.mark.rule("MAT-127")
@pytest.mark.parametrize(
    ("counts", "operation", "out", "units"),
    [
        ({10: Count(D(10), D(2)), 20: Count(D(7), D(1))}, 10, 0, 9),  # 12 went through, 3 were spoilt at 10 or later
        ({10: Count(D(10), D(2)), 20: Count(D(7), D(1))}, 20, 0, 7),
        ({10: Count(D(10), D(2)), 20: Count(D(7), D(1))}, 10, 4, 5),
        ({10: Count(D(10), D(2)), 20: Count(D(7), D(1))}, 10, 12, 0),
        ({10: Count(), 20: Count(scrap=D(2))}, 10, 0, 0),
        ({}, 10, 0, 0),
    ],
)
def test_what_was_used_is_shared_by_units_that_have_it_and_are_not_out(
    counts: dict[int, Count], operation: int, out: int, units: int
) -> None:
    assert backflush.alive(counts, operation, D(out)) == units


def drawn(*rows: tuple[int, int, str | None]) -> list[Part]:
    """Parts of (taken, left behind, second quantity that lay there) of sources that are weighed as well."""
    sources = [
        replace(source(str(number), taken + left), second_left=None if second is None else D(second),
                second_unit_code="KGM")
        for number, (taken, left, second) in enumerate(rows)
    ]  # fmt: skip
    return [
        part for each, (taken, _, _) in zip(sources, rows, strict=True) for part in backflush.draw([each], D(taken))
    ]


def seconds(parts: list[Part] | None) -> list[tuple[D | None, D | None]] | None:
    """Second quantity of each part, and what is left of it where the part was taken."""
    return None if parts is None else [(part.second, part.source.second_left) for part in parts]


@pytest.mark.rule("MAT-9")
@pytest.mark.parametrize(
    ("rows", "stated", "found"),
    [
        ([(2, 0, "1.9"), (3, 0, "3.2")], None, [("1.9", 0), ("3.2", 0)]),  # all of each: what lies there
        ([(2, 0, "1.9"), (3, 1, "4.2")], "5", [("1.9", 0), ("3.1", "1.1")]),  # the last has the rest
        ([(2, 1, "3")], "2.1", [("2.1", "0.9")]),
        ([(2, 0, "1.9")], "2", [("2", "-0.1")]),  # stated wins over what lies there
        ([(2, 0, None), (3, 1, None)], "5", None),
        ([(3, 1, None)], "5", [("5", None)]),
        ([(2, 0, None)], None, None),
        ([], None, []),
    ],
)
def test_a_part_that_is_all_of_its_source_weighs_what_lies_there(
    rows: list[tuple[int, int, str | None]], stated: str | None, found: list[tuple[str, str]] | None
) -> None:
    parts = drawn(*rows)
    wanted = found and [tuple(None if value is None else D(value) for value in row) for row in found]
    assert seconds(backflush.weighed(parts, None if stated is None else D(stated))) == wanted
    assert all(part.second is None for part in parts)


@pytest.mark.rule("MAT-9")
def test_where_one_weight_is_not_known_nothing_was_taken() -> None:
    parts = drawn((2, 0, "1.9"), (3, 1, "4.2"), (1, 0, "0.7"))
    assert backflush.weighed(parts) is None
    assert [part.source.second_left for part in parts] == [D("1.9"), D("4.2"), D("0.7")]
    # the one that is short of all stands before the last: what was stated for all does not say it either
    assert backflush.weighed(parts, D(6)) is None
    assert [part.source.second_left for part in parts] == [D("1.9"), D("4.2"), D("0.7")]


@pytest.mark.rule("MAT-9")
def test_what_is_not_weighed_stays_as_it_is_and_what_was_taken_can_be_undone() -> None:
    plain = backflush.draw([source("plain", 4)], D(2))
    assert backflush.weighed(plain, D(9)) == plain
    mixed = [*drawn((2, 0, "1.9")), *plain]
    found = backflush.weighed(mixed)
    assert seconds(found) == [(D("1.9"), D(0)), (None, None)]
    backflush.unweigh(found or [])
    assert mixed[0].source.second_left == D("1.9")
    some = drawn((2, 1, "3"))
    backflush.unweigh(backflush.weighed(some, D("2.1")) or [])
    assert some[0].source.second_left == D(3)
    unknown = backflush.weighed(drawn((2, 1, None)), D(3))
    backflush.unweigh(unknown or [])
    assert seconds(unknown) == [(D(3), None)]
