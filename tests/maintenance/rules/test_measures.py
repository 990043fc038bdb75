"""Key figures: the worked examples of the specification."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.maintenance.rules import measures


@pytest.mark.rule("MNT-282")
def test_168_hours_with_two_failures_and_ten_hours_down_are_79_hours_between_failures() -> None:
    assert measures.mtbf(Decimal(168), Decimal(10), 2).value == 79


@pytest.mark.rule("MNT-284")
def test_two_failures_of_three_hours_are_restored_in_three_hours() -> None:
    assert measures.mttr(Decimal(6), 2).value == 3


@pytest.mark.rule("MNT-287")
def test_318_of_384_are_82_8_percent() -> None:
    found = measures.pm_compliance(318, 384)
    assert found.value is not None
    assert round(found.value, 1) == Decimal("82.8")


@pytest.mark.rule("MNT-282")
@pytest.mark.rule("MNT-284")
@pytest.mark.rule("MNT-287")
def test_without_anything_to_divide_by_there_is_no_value() -> None:
    assert measures.mtbf(Decimal(100), Decimal(0), 0).value is None
    assert measures.mttr(Decimal(0), 0).value is None
    assert measures.pm_compliance(0, 0).value is None


@given(done=st.integers(0, 500), missed=st.integers(0, 500))
def test_compliance_lies_between_0_and_100(done: int, missed: int) -> None:
    found = measures.pm_compliance(done, done + missed).value
    assert found is None or (0 <= found <= 100 and (found == 100) == (missed == 0))
