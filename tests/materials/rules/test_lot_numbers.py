"""Lot numbers are as printed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.lot_numbers import normal


@pytest.mark.rule("MAT-12")
@pytest.mark.parametrize("number", ["007", "a B", "A b", "x-1/2", "Ä1"])
def test_zeros_case_and_spaces_stay(number: str) -> None:
    assert normal(number) == number


@pytest.mark.rule("MAT-12")
@given(number=st.text(max_size=20))
def test_both_ways_to_write_a_letter_are_one(number: str) -> None:
    assert normal("A\u0308" + number) == normal("Ä" + number)
    assert normal(normal(number)) == normal(number)
