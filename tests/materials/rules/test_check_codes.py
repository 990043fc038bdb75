"""Check codes of places: the standard's known answers, and what a scanner misreads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.check_codes import COUNT, SIGNS, check_character, code, misread


@pytest.mark.rule("MAT-34")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A12425GABC1234002", "M"),  # the example of the Global Release Identifier
        ("000000003A8D0000", "Z"),  # the example of the audiovisual number ISAN
        ("000000003A8D000000000000", "6"),  # the same with its version
        ("0", "2"),
        ("", "1"),
    ],
)
def test_the_check_character_is_that_of_iso_7064(text: str, expected: str) -> None:
    assert check_character(text) == expected


@pytest.mark.rule("MAT-34")
@pytest.mark.parametrize(("number", "expected"), [(0, "L-000000"), (35, "L-00000Z"), (COUNT - 1, "L-ZZZZZZ")])
def test_a_code_is_a_prefix_six_signs_and_the_check_character(number: int, expected: str) -> None:
    assert code(number)[:-1] == expected
    assert not misread(code(number))


@pytest.mark.rule("MAT-34")
@given(st.integers(0, COUNT - 1), st.integers(0, 6), st.sampled_from(SIGNS))
def test_a_sign_that_was_misread_is_noticed(number: int, at: int, sign: str) -> None:
    good = code(number)
    bad = f"{good[: at + 2]}{sign}{good[at + 3 :]}"
    assert misread(bad) == (bad != good)


@pytest.mark.rule("MAT-34")
@given(st.integers(0, COUNT - 1), st.integers(0, 5))
def test_two_neighbours_that_changed_places_are_noticed(number: int, at: int) -> None:
    signs = list(code(number)[2:])
    signs[at], signs[at + 1] = signs[at + 1], signs[at]
    turned = "L-" + "".join(signs)
    assert misread(turned) == (turned != code(number))


@pytest.mark.rule("MAT-34")
@pytest.mark.parametrize("text", ["", "C-shelf", "L-", "L-00000", "L-0000000000", "L-00000é0", "l-0000002"])
def test_what_has_another_form_was_not_misread(text: str) -> None:
    assert not misread(text)


@pytest.mark.parametrize("number", [-1, COUNT])
def test_there_is_no_code_beyond_the_last(number: int) -> None:
    with pytest.raises(ValueError, match="is not between"):
        code(number)
