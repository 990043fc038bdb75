"""Exact conversion: rational factors, no rounding, the grid of the base unit."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import units

PACKS = {"BX": Fraction(8), "LBR": Fraction(45359237, 100000000), "DZN": Fraction(12), "HP": Fraction(1, 3)}


@pytest.mark.rule("MAT-3")
@pytest.mark.parametrize(
    ("value", "unit", "step", "base"),
    [
        ("2", "BX", "1", "16"),
        ("0.5", "BX", "1", "4"),
        ("7", "H87", "1", "7"),
        ("3", "LBR", "0.00000001", "1.36077711"),
        ("3", "HP", "1", "1"),
        ("33.6", "H87", "0.1", "33.6"),
    ],
)
def test_a_quantity_is_converted_exactly(value: str, unit: str, step: str, base: str) -> None:
    assert units.to_base(Decimal(value), unit, "H87", PACKS, Decimal(step)) == Decimal(base)


@pytest.mark.rule("MAT-4")
@pytest.mark.parametrize(
    ("value", "unit", "step"),
    [("0.5", "H87", "1"), ("0.66667", "DZN", "1"), ("1", "HP", "1"), ("3", "LBR", "0.001"), ("33.61", "H87", "0.1")],
)
def test_what_is_off_the_grid_is_refused_and_never_rounded(value: str, unit: str, step: str) -> None:
    with pytest.raises(units.OffGrid) as refused:
        units.to_base(Decimal(value), unit, "H87", PACKS, Decimal(step))
    assert refused.value.exact == Fraction(value) * PACKS.get(unit, Fraction(1))


@pytest.mark.rule("MAT-7")
def test_a_unit_without_factor_is_refused() -> None:
    with pytest.raises(units.NoConversion):
        units.to_base(Decimal(1), "MTR", "H87", PACKS, Decimal(1))


@pytest.mark.rule("MAT-6")
@given(
    count=st.integers(0, 10**9), numerator=st.integers(1, 10**8), denominator=st.integers(1, 10**8),
    step=st.sampled_from(["1", "0.1", "0.001", "0.25", "12"]),
)  # fmt: skip
def test_base_to_unit_to_base_is_the_identity(count: int, numerator: int, denominator: int, step: str) -> None:
    factor = Fraction(numerator, denominator)
    base = count * Decimal(step)
    assert units.on_grid(units.from_base(base, factor) * factor, Decimal(step)) == base


@given(value=st.fractions(max_denominator=10**4).filter(lambda value: abs(value) < 10**9))
def test_a_decimal_for_showing_is_the_nearest_of_six_places(value: Fraction) -> None:
    assert abs(Fraction(units.decimal(value)) - value) <= Fraction(1, 2 * 10**6)
