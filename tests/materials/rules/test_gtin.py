"""GS1 numbers: known answers of the General Specifications, and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import gtin

digits = st.text("0123456789", min_size=13, max_size=13)


@pytest.mark.rule("MAT-255")
@pytest.mark.parametrize(
    ("code", "right"),
    [
        ("4006381333931", True),
        ("4006381333932", False),
        ("73513537", True),
        ("036000291452", True),
        ("036000291453", False),
        ("6291041500213", True),
        ("10614141000415", True),
        ("10614141000416", False),
        ("", False),
        ("123", False),
        ("400638133393A", False),
        ("٤٠٠٦٣٨١٣٣٣٩٣١", False),
    ],
)
def test_a_gtin_holds_with_its_check_digit(code: str, right: bool) -> None:
    assert gtin.valid(code) is right


def test_the_check_digit_of_an_sscc_follows_the_same_rule() -> None:
    assert gtin.check_digit("10614141000000001") == 9


@pytest.mark.rule("MAT-255")
@given(body=digits, place=st.integers(0, 13), wrong=st.integers(1, 9))
def test_no_single_wrong_digit_passes(body: str, place: int, wrong: int) -> None:
    code = body + str(gtin.check_digit(body))
    assert gtin.valid(code)
    changed = str((int(code[place]) + wrong) % 10)
    assert not gtin.valid(code[:place] + changed + code[place + 1 :])


@pytest.mark.rule("MAT-255")
@given(body=st.text("0123456789", min_size=7, max_size=12))
def test_padding_with_zeros_keeps_the_check_digit(body: str) -> None:
    assert gtin.check_digit(body) == gtin.check_digit(body.zfill(13))


@pytest.mark.parametrize(
    ("code", "forms"),
    [
        ("73513537", ["00000073513537", "0000073513537", "000073513537", "73513537"]),
        ("4006381333931", ["04006381333931", "4006381333931"]),
        ("10614141000415", ["10614141000415"]),
        ("ABC", []),
        ("123456789012345", []),
    ],
)
def test_one_gtin_has_the_forms_that_may_be_printed(code: str, forms: list[str]) -> None:
    assert gtin.forms(code) == forms


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("]E04006381333931", "4006381333931"),
        ("]C10104006381333931", "04006381333931"),
        ("(01)04006381333931(10)AB", "04006381333931"),
        ("0104006381333931" + "10AB", "04006381333931"),
        ("0104006381333932" + "10AB", "010400638133393210AB"),
        (" A-17 ", "A-17"),
        ("]E0", "]E0"),
        ("]E0A", "A"),
        ("]d2\x1d0104006381333931\x1d10AB", "04006381333931"),
        ("(01)04006381333931", "04006381333931"),
        ("(01)0400638133393", "(01)0400638133393"),
        ("0104006381333931", "04006381333931"),
        ("010400638133393", "010400638133393"),
        ("01A4006381333931", "01A4006381333931"),
        ("A\x1dB", "AB"),
        ("", ""),
    ],
)
def test_a_scan_gives_the_plain_code(raw: str, code: str) -> None:
    assert gtin.from_scan(raw) == code
