"""Unit codes: exact sizes, and conversion there and back."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import unit_codes
from services.materials.rules.unit_codes import UNITS, Unit

CODES = st.sampled_from([*sorted(UNITS), "XBX", "XPX"])


@pytest.mark.rule("MAT-7")
@pytest.mark.parametrize(
    ("code", "other", "ratio"),
    [
        ("LBR", "GRM", Fraction("453.59237")),
        ("LBR", "ONZ", 16),
        ("TNE", "KGM", 1000),
        ("STN", "LBR", 2000),
        ("LTN", "LBR", 2240),
        ("FOT", "INH", 12),
        ("YRD", "FOT", 3),
        ("SMI", "YRD", 1760),
        ("FTK", "INK", 144),
        ("YDK", "FTK", 9),
        ("GLL", "INQ", 231),
        ("GLL", "PTL", 8),
        ("PTL", "OZA", 16),
        ("GLI", "PTI", 8),
        ("PTI", "OZI", 20),
        ("BLL", "GLL", 42),
        ("MTQ", "LTR", 1000),
        ("WEE", "HUR", 168),
        ("KWH", "KJO", 3600),
        ("GRO", "DZN", 12),
        ("H87", "DZN", Fraction(1, 12)),
        ("GRM", "MTR", None),
        ("GRM", "what", None),
        ("what", "GRM", None),
        ("what", "what", None),
        ("XBX", "XBX", 1),
        ("XBX", "XPX", None),
        ("SET", "H87", None),
    ],
)
def test_one_unit_is_so_many_of_another_exactly(code: str, other: str, ratio: Fraction | None) -> None:
    assert unit_codes.ratio(code, other) == ratio


@pytest.mark.rule("MAT-7")
@given(CODES, CODES, CODES)
def test_a_conversion_there_and_back_or_by_way_of_a_third_changes_nothing(one: str, two: str, three: str) -> None:
    there, back = unit_codes.ratio(one, two), unit_codes.ratio(two, one)
    assert (there is None) is (back is None)
    if there is not None and back is not None:
        assert there * back == 1
        further = unit_codes.ratio(two, three)
        assert unit_codes.ratio(one, three) == (None if further is None else there * further)
    assert unit_codes.ratio(one, one) == 1


def test_a_package_is_a_dimension_of_its_own() -> None:
    assert unit_codes.unit("XBX") == Unit("XBX", "XBX", Fraction(1))
    assert unit_codes.unit("X4D") == Unit("X4D", "X4D", Fraction(1))
    assert [unit_codes.unit(code) for code in ("XBXX", "YBX", "X-B")] == [None] * 3
