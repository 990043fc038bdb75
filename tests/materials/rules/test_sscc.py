"""Serial shipping container codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import sscc

PREFIXES = st.from_regex(r"\A[0-9]{4,12}\Z")


@pytest.mark.rule("MAT-23")
@pytest.mark.parametrize(
    ("extension", "prefix", "serial", "code"),
    [
        (1, "0614141", 1, "106141410000000019"),
        (0, "0614141", 1, "006141410000000012"),
        (3, "4012345", 999999999, "340123459999999999"),
        (0, "123456789012", 7, "012345678901200077"),
    ],
)
def test_a_code_is_extension_prefix_serial_reference_and_check_digit(
    extension: int, prefix: str, serial: int, code: str
) -> None:
    assert sscc.make(extension, prefix, serial) == code
    assert sscc.valid(code)
    assert [sscc.valid(code[:-1] + digit) for digit in "0123456789"].count(True) == 1


@pytest.mark.rule("MAT-23")
@given(extension=st.integers(0, 9), prefix=PREFIXES, data=st.data())
def test_every_code_that_is_made_is_valid_and_found_as_it_is_scanned(
    extension: int, prefix: str, data: st.DataObject
) -> None:
    serial = data.draw(st.integers(0, sscc.capacity(prefix) - 1))
    code = sscc.make(extension, prefix, serial)
    assert (len(code), code[0], code[1 : 1 + len(prefix)]) == (18, str(extension), prefix)
    assert int(code[1 + len(prefix) : -1]) == serial
    for scan in (code, f"00{code}", f"(00){code}", f"]C100{code}", f"]d200{code}\x1d", f" {code} "):
        assert sscc.from_scan(scan) == code
    place = data.draw(st.integers(0, 17))
    wrong = code[:place] + str((int(code[place]) + 1) % 10) + code[place + 1 :]
    assert not sscc.valid(wrong)


@pytest.mark.rule("MAT-23")
@pytest.mark.parametrize("raw", ["", "4006381333931", "0" * 17, "x" * 18, "]C10104006381333931", "106141410000000018"])
def test_what_is_no_sscc_is_none(raw: str) -> None:
    assert sscc.from_scan(raw) == ""


@pytest.mark.rule("MAT-23", "MAT-24")
@pytest.mark.parametrize(("extension", "serial"), [(10, 1), (-1, 1), (0, 10**9), (0, -1)])
def test_beyond_the_range_there_is_no_code(extension: int, serial: int) -> None:
    with pytest.raises(ValueError, match="beyond the range"):
        sscc.make(extension, "0614141", serial)


@pytest.mark.rule("MAT-24")
@pytest.mark.parametrize(
    ("prefix", "following", "scarce"),
    [("123456789012", 8000, False), ("123456789012", 8001, True), ("0614141", 1, False), ("0614141", 10**9, True)],
)
def test_a_range_runs_out_when_80_percent_are_used(prefix: str, following: int, scarce: bool) -> None:
    assert sscc.scarce(prefix, following) is scarce
