"""The mass balance of a lot by itself."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.mass_balance import balanced


@pytest.mark.rule("MAT-137")
def test_a_reversed_merge_leaves_no_trace_in_the_sums() -> None:
    rows = [
        ("STORAGE", "", False, D(7)), ("OPENING", "OPENING", False, D(-7)), ("PRODUCTION", "PRODUCE", True, D(7)),
        ("PRODUCTION", "PRODUCE", True, D(-7)),
    ]  # fmt: skip
    found = balanced(rows)
    assert (found.opened, found.on_hand, found.consumed, found.produced, found.gap) == (D(7), D(7), D(0), D(0), D(0))


@pytest.mark.rule("MAT-137")
def test_what_is_nowhere_is_the_gap() -> None:
    found = balanced([("STORAGE", "", False, D("6.5")), ("SUPPLIER", "RECEIPT", False, D(-7))])
    assert (found.received, found.on_hand, found.gap) == (D(7), D("6.5"), D("0.5"))
    assert balanced([("DOCK", "", False, D(2))]).gap == -2


@pytest.mark.rule("MAT-137")
@given(
    moves=st.lists(
        st.tuples(
            st.sampled_from(["SUPPLIER", "OPENING", "PRODUCTION", "CONSUMED", "SCRAP", "ADJUSTMENT", "CUSTOMER",
                             "INTER_SITE"]),
            st.sampled_from(["RECEIPT", "RETURN_TO_SUPPLIER", "CONSUME", "PRODUCE", "SHIP", "ADJUST"]),
            st.booleans(),
            st.decimals(-1000, 1000, places=6),
        )
    ),
    places=st.lists(st.sampled_from(["STORAGE", "TRANSIT", "WIP", "QUALITY"]), min_size=1),
)  # fmt: skip
def test_whatever_crosses_the_border_the_balance_closes(
    moves: list[tuple[str, str, bool, D]], places: list[str]
) -> None:
    left = -sum((quantity for *_, quantity in moves), D(0))
    there = [(place, "", False, left if number == 0 else D(0)) for number, place in enumerate(places)]
    assert balanced([*moves, *there]).gap == 0
