"""Catch weight: a definition that fits, and what is usual, exactly."""

from dataclasses import replace
from decimal import Decimal as D
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.catch_weight import CatchWeight

CHEESE = CatchWeight("KGM", D("0.001"), D("2.5"), D(4))


@pytest.mark.rule("MAT-9")
@pytest.mark.parametrize(
    ("kept", "found"),
    [
        (
            {
                "unit_code": "KGM", "step": {"value": "0.01"}, "nominal": {"value": "2.5"},
                "tolerance_percent": {"value": "4"},
            },
            CatchWeight("KGM", D("0.01"), D("2.5"), D(4)),
        ),
        ({"unit_code": "GRM", "step": {"value": ""}}, CatchWeight("GRM", D("0.001"), D(0), D(0))),
        ({"step": {"value": "0"}, "nominal": {}}, CatchWeight("", D("0.001"), D(0), D(0))),
        ({}, CatchWeight("", D("0.001"), D(0), D(0))),
    ],
)  # fmt: skip
def test_it_is_read_from_its_plain_form(kept: dict[str, Any], found: CatchWeight) -> None:
    assert CatchWeight.of(kept) == found


@pytest.mark.rule("MAT-9")
@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, None),
        ({"unit_code": "DZN"}, ("unit_code", "must be a unit of what is measured")),
        ({"unit_code": "XBX"}, ("unit_code", "must be a unit of what is measured")),
        ({"unit_code": "???"}, ("unit_code", "must be a unit of what is measured")),
        ({"step": D(0)}, ("step", "must be a whole number or a part that goes into 1")),
        ({"step": D("-0.5")}, ("step", "must be a whole number or a part that goes into 1")),
        ({"step": D("0.3")}, ("step", "must be a whole number or a part that goes into 1")),
        ({"step": D("2.5")}, ("step", "must be a whole number or a part that goes into 1")),
        ({"step": D("0.5")}, None),
        ({"step": D(1)}, None),
        ({"step": D(25)}, None),
        ({"nominal": D(0)}, ("nominal", "must be more than 0")),
        ({"nominal": D("0.000001")}, None),
        ({"nominal": D(1)}, None),
        ({"tolerance_percent": D("-0.1")}, ("tolerance_percent", "must be 0 to 100")),
        ({"tolerance_percent": D("100.1")}, ("tolerance_percent", "must be 0 to 100")),
        ({"tolerance_percent": D(0)}, None),
        ({"tolerance_percent": D(100)}, None),
    ],
)
def test_a_definition_that_does_not_fit_names_field_and_rule(
    change: dict[str, Any], broken: tuple[str, str] | None
) -> None:
    assert replace(CHEESE, **change).broken("H87") == broken


@pytest.mark.rule("MAT-9")
def test_it_measures_something_else_than_the_base_unit() -> None:
    assert CHEESE.broken("GRM") == ("unit_code", "must measure something else than the base unit")
    assert CHEESE.broken("LTR") is None


@pytest.mark.rule("MAT-9")
@pytest.mark.parametrize(
    ("second", "usual"),
    [("9.6", True), ("10.4", True), ("10", True), ("9.599999", False), ("10.400001", False)],
)
def test_what_is_usual_includes_both_limits(second: str, usual: bool) -> None:
    assert CHEESE.usual(D(4)) == (Fraction(96, 10), Fraction(104, 10))
    assert CHEESE.is_usual(D(4), D(second)) is usual


@pytest.mark.rule("MAT-9")
@given(
    quantity=st.decimals(0, 1000, places=3), nominal=st.decimals("0.001", 100, places=3), percent=st.integers(0, 100)
)
def test_the_nominal_weight_is_always_usual(quantity: D, nominal: D, percent: int) -> None:
    weight = CatchWeight("KGM", D("0.001"), nominal, D(percent))
    least, most = weight.usual(quantity)
    assert least <= Fraction(quantity) * Fraction(nominal) <= most
    assert most - least == Fraction(quantity) * Fraction(nominal) * percent / 50
    assert weight.is_usual(quantity, quantity * nominal)
