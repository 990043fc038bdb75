"""Scanned codes: known answers of the GS1 General Specifications, and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import gs1

DIGITS = st.text("0123456789", min_size=13, max_size=13)
LOTS = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789-/.", min_size=1, max_size=20)


@pytest.mark.rule("MAT-255")
@pytest.mark.parametrize(
    ("digits", "expected"),
    [("629104150021", 3), ("0950600013435", 2), ("400638133393", 1), ("9638507", 4), ("37610425002123456", 9)],
)
def test_check_digits(digits: str, expected: int) -> None:
    assert gs1.check_digit(digits) == expected


ELEMENTS = (("01", "09506000134352"), ("10", "ABC"))


@pytest.mark.rule("MAT-250")
@pytest.mark.parametrize(
    "raw",
    [
        "(01)09506000134352(10)ABC",
        "0109506000134352" + "10ABC",
        "]C10109506000134352" + "10ABC",
        "]d20109506000134352" + "10ABC",
        "]Q3\x1d0109506000134352" + "10ABC\x1d",
        "]e00109506000134352" + "10ABC",
    ],
)
def test_one_label_in_many_symbologies(raw: str) -> None:
    scan = gs1.parse(raw)
    assert scan.elements == ELEMENTS
    assert scan.code == "(01)09506000134352(10)ABC"
    assert scan.keys == ("09506000134352", "ABC")


@pytest.mark.rule("MAT-253")
def test_elements_of_variable_length_end_at_the_function_character() -> None:
    scan = gs1.parse("]C10109506000134352" + "10ABC1\x1d" + "17261231" + "21S-1\x1d" + "4149521321000018")
    assert dict(scan.elements) == {
        "01": "09506000134352", "10": "ABC1", "17": "261231", "21": "S-1", "414": "9521321000018",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("]C0EQ-100", "EQ-100"),
        ("]E04006381333931", "4006381333931"),
        ("EQ-100", "EQ-100"),
        ("  WO-7 \r\n", "WO-7"),
        ("]C10109506000134353" + "10ABC", "0109506000134353" + "10ABC"),  # wrong check digit
        ("(01)09506000134353", "(01)09506000134353"),
        ("(17)261331", "(17)261331"),  # no such month
        ("]C199", "99"),
        ("]C110A\x1d10B", "10A10B"),  # two lots
        ("0109506000134352" + "17261231", "0109506000134352" + "17261231"),  # bare digits are not guessed
        ("]C", "]C"),
        ("", ""),
    ],
)
def test_what_is_no_element_string_stays_a_code(raw: str, code: str) -> None:
    scan = gs1.parse(raw)
    assert (scan.code, scan.elements) == (code, ())


@given(DIGITS, LOTS, LOTS)
def test_every_label_is_read_back(digits: str, lot: str, serial: str) -> None:
    gtin = digits + str(gs1.check_digit(digits))
    for raw in (f"]d201{gtin}10{lot}\x1d21{serial}", f"(01){gtin}(10){lot}(21){serial}"):
        scan = gs1.parse(raw)
        assert scan.elements == (("01", gtin), ("10", lot), ("21", serial))
        assert gs1.parse(scan.code).elements == scan.elements


@given(DIGITS, st.integers(0, 12), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(digits: str, place: int, change: int) -> None:
    wrong = digits[:place] + str((int(digits[place]) + change) % 10) + digits[place + 1 :]
    assert gs1.check_digit(wrong) != gs1.check_digit(digits)


@pytest.mark.rule("SEC-34")
@given(st.text(st.characters(max_codepoint=0x2FF) | st.sampled_from("()]01\x1d"), max_size=60))
def test_no_code_breaks_the_parser(raw: str) -> None:
    scan = gs1.parse(raw)
    assert all(value for _, value in scan.elements)
    assert gs1.parse(scan.code).code == gs1.parse(gs1.parse(scan.code).code).code
