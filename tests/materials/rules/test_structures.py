"""Structures: shares of cost, ways on which an item would be made of itself, exact quantities over levels."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal as D
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import structures
from services.materials.rules.structures import LARGEST, Edge

DAY = date(2026, 6, 1)


def day(number: int) -> date:
    return DAY + timedelta(days=number)


@pytest.mark.rule("MAT-127")
@pytest.mark.parametrize(
    ("co_products", "stated", "main"),
    [
        ([], None, 100),
        ([30, "20.5"], None, "49.5"),
        ([30, 20], 50, 50),
        ([30, 20], 51, None),
        ([60, 40], None, None),  # nothing is left for the item itself
        ([60, "39.99"], None, "0.01"),
        ([70, 40], None, None),
        (["0.5"], None, "99.5"),
        ([30, 0], None, None),
        ([30, -1], None, None),
        ([], 100, 100),
        ([], 0, None),
    ],
)
def test_the_item_itself_has_what_its_co_products_leave(
    co_products: list[object], stated: int | None, main: object
) -> None:
    found = structures.main_percent([D(str(each)) for each in co_products], None if stated is None else D(stated))
    assert found == (None if main is None else D(str(main)))


@pytest.mark.rule("MAT-130")
@pytest.mark.parametrize(
    ("ratio", "kept"),
    [
        (Fraction(1, 3), True),
        (Fraction(LARGEST), True),
        (Fraction(LARGEST + 1), False),
        (Fraction(1, LARGEST), True),
        (Fraction(1, LARGEST + 1), False),
    ],
)
def test_a_ratio_is_kept_that_two_columns_of_the_database_hold(ratio: Fraction, kept: bool) -> None:
    assert structures.fits(ratio) is kept
    assert int("9223372036854775807") == LARGEST  # bigint


@pytest.mark.rule("MAT-130")
@pytest.mark.parametrize(
    ("goes_in", "known", "way"),
    [
        ("bc", {"b": {day(-9): "d"}, "c": {day(-9): "d"}}, ""),
        ("a", {}, "aa"),
        ("b", {"b": {day(-9): "ca"}}, "aba"),
        ("bc", {"b": {day(-9): "d"}, "d": {day(-9): "ea"}, "c": {day(-9): "a"}}, "aca"),  # the shortest
        ("b", {"b": {day(-9): "cd"}, "c": {day(-9): "b"}, "d": {day(-9): "a"}}, "abda"),  # a circle beside it
        ("b", {"b": {day(-9): "cd"}, "c": {day(-9): "b"}, "d": {day(-9): "c"}}, ""),  # a circle without the item
        ("b", {"b": {day(-9): "a", day(-1): "d"}}, ""),  # replaced before the day
        ("b", {"b": {day(-9): "a", day(0): "d"}}, ""),  # replaced on the day
        ("b", {"b": {day(-9): "a", day(1): "d"}}, "aba"),  # on the day it still counts
        ("b", {"b": {day(-9): "d", day(0): "a"}}, "aba"),
        ("b", {"b": {day(-9): "d", day(0): "e", day(30): "a"}}, "aba"),  # of a later day
        ("b", {"b": {day(1): "a"}}, "aba"),
    ],
)
def test_an_item_is_not_made_of_itself_on_any_day_from_then_on(
    goes_in: str, known: Mapping[str, Mapping[date, Sequence[str]]], way: str
) -> None:
    assert structures.back("a", goes_in, DAY, known) == list(way)


@pytest.mark.rule("MAT-130")
def test_a_tree_is_exploded_exactly_with_what_is_lost_at_each_level() -> None:
    # 2 frames for 3 doors, and a tenth is lost; 4 screws for 1 frame, 500 grams of paint for 8 doors
    edges = [
        Edge((1, 5), Fraction(4), D(1), D(0)),
        Edge((1,), Fraction(2), D(3), D(10)),
        Edge((2,), Fraction(500), D(8), D(0)),
    ]
    frames = Fraction(7) * 2 / 3 / Fraction(9, 10)
    assert structures.exploded(edges, D(7)) == {(1,): frames, (1, 5): frames * 4, (2,): Fraction(875, 2)}
    assert structures.exploded([], D(7)) == {}


@pytest.mark.rule("MAT-130")
@given(st.integers(1, 1000), st.integers(1, 1000), st.fractions(Fraction(1, 50), 50), st.integers(0, 90))
def test_quantities_of_a_tree_grow_with_that_of_the_top(
    one: int, other: int, per_base: Fraction, scrap_percent: int
) -> None:
    edges = [Edge((1,), per_base, D(2), D(scrap_percent)), Edge((1, 1), per_base, D(7), D(0))]
    first, second, both = (structures.exploded(edges, D(amount)) for amount in (one, other, one + other))
    assert {path: first[path] + second[path] for path in first} == both
    assert first[1,] * (1 - Fraction(scrap_percent) / 100) * 2 == one * per_base
