"""Exact conversion: rational factors, no rounding, the grid of the base unit."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import unit_codes, units
from services.materials.rules.units import Rounding

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


@pytest.mark.rule("MAT-3")
@pytest.mark.parametrize(
    ("value", "unit", "step", "rounding", "base"),
    [
        ("3", "LBR", "0.001", Rounding.HALF_EVEN, "1.361"),
        ("3", "LBR", "0.000001", Rounding.HALF_EVEN, "1.360777"),
        ("2.5", "GRM", "0.001", Rounding.HALF_EVEN, "0.002"),
        ("2.5", "GRM", "0.001", Rounding.HALF_UP, "0.003"),
        ("3.5", "GRM", "0.001", Rounding.HALF_EVEN, "0.004"),
        ("-2.5", "GRM", "0.001", Rounding.HALF_UP, "-0.003"),
        ("-2.5", "GRM", "0.001", Rounding.HALF_EVEN, "-0.002"),
        ("1", "TNE", "25", Rounding.HALF_EVEN, "1000"),
        ("0", "LBR", "0.001", Rounding.HALF_EVEN, "0"),
    ],
)
def test_what_is_measured_is_rounded_once(value: str, unit: str, step: str, rounding: Rounding, base: str) -> None:
    assert units.to_base(Decimal(value), unit, "KGM", {}, Decimal(step), rounding) == Decimal(base)


@pytest.mark.rule("MAT-4")
@pytest.mark.parametrize("value", ["0.4", "-0.5", "0.000001"])
def test_something_is_not_rounded_to_nothing(value: str) -> None:
    with pytest.raises(units.OffGrid):
        units.to_base(Decimal(value), "GRM", "KGM", {}, Decimal("0.001"))


@pytest.mark.rule("MAT-3", "MAT-5")
@given(
    exact=st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**6),
    step=st.sampled_from(["1", "0.1", "0.001", "0.25", "12"]), rounding=st.sampled_from(list(Rounding)),
)  # fmt: skip
def test_the_nearest_is_at_most_half_a_step_away_and_lies_between_down_and_up(
    exact: Fraction, step: str, rounding: Rounding
) -> None:
    size = Decimal(step)
    near, low, high = units.nearest(exact, size, rounding), units.down(exact, size), units.up(exact, size)
    assert low <= exact <= high
    assert high - low in (0, size)
    assert near in (low, high)
    assert abs(Fraction(near) - exact) <= Fraction(size) / 2
    if rounding is Rounding.HALF_UP and low != high and exact - Fraction(low) == Fraction(size) / 2:
        assert near == (high if exact > 0 else low)


@pytest.mark.rule("MAT-5")
@pytest.mark.parametrize(
    ("total", "ratios", "step", "parts"),
    [
        ("10", ["1", "1", "1"], "1", ["4", "3", "3"]),
        ("11", ["1", "1", "1"], "1", ["4", "4", "3"]),
        ("-10", ["1", "1", "1"], "1", ["-4", "-3", "-3"]),
        ("1", ["1", "2", "3"], "0.001", ["0.167", "0.333", "0.5"]),
        ("7", ["0", "1"], "1", ["0", "7"]),
        ("5", ["0.5", "1.5", "3"], "1", ["1", "1", "3"]),
    ],
)
def test_a_total_is_split_by_largest_remainder(total: str, ratios: list[str], step: str, parts: list[str]) -> None:
    found = units.split(Decimal(total), [Decimal(ratio) for ratio in ratios], Decimal(step))
    assert found == [Decimal(part) for part in parts]


@pytest.mark.rule("MAT-5")
@given(
    count=st.integers(-(10**9), 10**9), step=st.sampled_from(["1", "0.001", "0.25", "12"]),
    ratios=st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any),
)  # fmt: skip
def test_parts_sum_to_the_whole_and_are_less_than_a_step_from_their_share(
    count: int, step: str, ratios: list[int]
) -> None:
    size = Decimal(step)
    total = count * size
    parts = units.split(total, ratios, size)
    assert sum(parts) == total
    for part, ratio in zip(parts, ratios, strict=True):
        assert part % size == 0
        assert abs(Fraction(part) - Fraction(total) * ratio / sum(ratios)) < Fraction(size)


def test_what_cannot_be_split_is_refused() -> None:
    for ratios in ([], [0, 0], [1, -1]):
        with pytest.raises(ValueError, match="ratios"):
            units.split(Decimal(1), ratios, Decimal(1))
    with pytest.raises(units.OffGrid):
        units.split(Decimal("0.5"), [1], Decimal(1))


@pytest.mark.rule("MAT-7")
@pytest.mark.parametrize(
    ("unit", "base", "factors", "found"),
    [
        ("GRM", "KGM", {}, "1/1000"),
        ("INH", "MTR", {}, "254/10000"),
        ("GLL", "LTR", {}, "3785411784/1000000000"),
        ("DZN", "H87", {}, "12"),
        ("MTQ", "LTR", {}, "1000"),
        ("KWH", "JOU", {}, "3600000"),
        ("KGM", "H87", {"KGM": Fraction(2)}, "2"),
        ("GRM", "H87", {"KGM": Fraction(2)}, "1/500"),
        ("XBX", "H87", {"XBX": Fraction(8)}, "8"),
    ],
)
def test_dimensions_agree_or_the_item_has_a_factor(
    unit: str, base: str, factors: dict[str, Fraction], found: str
) -> None:
    assert units.factor(unit, base, factors) == Fraction(found)


@pytest.mark.rule("MAT-7")
@pytest.mark.parametrize(
    ("unit", "base"), [("MTR", "H87"), ("KGM", "MTR"), ("XBX", "H87"), ("SET", "H87"), ("XBX", "XPK"), ("LTR", "KGM")]
)
def test_a_unit_without_factor_is_refused(unit: str, base: str) -> None:
    with pytest.raises(units.NoConversion):
        units.to_base(Decimal(1), unit, base, {"HP": Fraction(2)}, Decimal(1))


@pytest.mark.rule("MAT-7")
def test_a_factor_that_cannot_be_kept_exactly_is_none() -> None:
    with pytest.raises(units.NoConversion, match="LBR"):
        units.factor("LBR", "H87", {"KGM": Fraction(units.LARGEST, units.LARGEST - 2)})
    with pytest.raises(units.NoConversion, match="MTR"):
        units.factor("MTR", "H87", {})
    with pytest.raises(units.UnknownUnit, match="QQQ"):
        units.factor("QQQ", "H87", {})


@pytest.mark.rule("MAT-8")
@pytest.mark.parametrize("code", ["QQQ", "", "piece", "X1", "XÄB", "kgm"])
def test_a_code_that_nobody_knows_is_refused(code: str) -> None:
    assert unit_codes.unit(code) is None
    assert unit_codes.discrete(code)
    with pytest.raises(units.UnknownUnit):
        units.to_base(Decimal(1), code, "H87", {}, Decimal(1))


@pytest.mark.rule("MAT-8")
@pytest.mark.parametrize(
    ("code", "discrete"),
    [("H87", True), ("PR", True), ("SET", True), ("XBX", True), ("KGM", False), ("MTR", False), ("HUR", False)],
)
def test_what_counts_things_is_discrete(code: str, discrete: bool) -> None:
    assert unit_codes.unit(code) is not None
    assert unit_codes.discrete(code) is discrete


@pytest.mark.rule("MAT-7")
@pytest.mark.parametrize(
    ("base", "factors", "found"),
    [
        ("H87", {"XBX": Fraction(8), "KGM": Fraction(2), "GRM": Fraction(1, 500)}, None),
        ("H87", {"DZN": Fraction(10)}, ("DZN", Fraction(12))),
        ("H87", {"KGM": Fraction(2), "LBR": Fraction(1)}, ("LBR", Fraction(90718474, 100000000))),
    ],
)
def test_a_factor_against_a_definition_or_another_one_is_found(
    base: str, factors: dict[str, Fraction], found: tuple[str, Fraction] | None
) -> None:
    assert units.contradiction(base, factors) == found


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


@pytest.mark.parametrize(
    ("word", "is_code"),
    [
        ("KGM", True),
        ("4H", True),
        ("H87", True),
        ("EA", True),
        ("K", False),
        ("KGMM", False),
        ("kgm", False),
        ("K-M", False),
    ],
)
def test_what_looks_like_a_unit_code(word: str, is_code: bool) -> None:
    assert units.looks_like_code(word) is is_code


@pytest.mark.rule("MAT-5")
@pytest.mark.parametrize(
    ("purpose", "unit", "exact", "found"),
    [
        ("AVAILABLE", "XBX", Fraction(15, 8), "1"),
        ("DEMAND", "XBX", Fraction(15, 8), "2"),
        ("AVAILABLE", "XBX", Fraction(2), "2"),
        ("DEMAND", "XBX", Fraction(2), "2"),
        ("POSTING", "GRM", Fraction(5, 2), "2"),
        ("POSTING", "XBX", Fraction(2), "2"),
    ],
)
def test_what_is_there_is_rounded_down_and_what_is_needed_up(
    purpose: str, unit: str, exact: Fraction, found: str
) -> None:
    assert units.brought(exact, unit, Decimal(1), Rounding.HALF_EVEN, purpose) == Decimal(found)


@pytest.mark.rule("MAT-4")
def test_a_posting_is_brought_to_the_grid_as_the_unit_says() -> None:
    half_up = units.brought(Fraction(5, 2), "GRM", Decimal(1), Rounding.HALF_UP, "POSTING")
    assert half_up == Decimal(3)
    with pytest.raises(units.OffGrid) as refused:
        units.brought(Fraction(15, 8), "XBX", Decimal(1), Rounding.HALF_EVEN, "POSTING")
    assert (refused.value.exact, refused.value.step) == (Fraction(15, 8), Decimal(1))
    assert str(refused.value) == "15/8 is off the grid of 1"
    with pytest.raises(units.OffGrid):
        units.settled(Fraction(1, 10), "GRM", Decimal(1), Rounding.HALF_EVEN)  # something is not nothing
    assert units.settled(Fraction(0), "GRM", Decimal(1), Rounding.HALF_EVEN) == 0


def test_the_step_of_a_unit_is_that_of_what_it_counts() -> None:
    assert units.grid("KGM", "KGM", Decimal("0.25")) == Decimal("0.25")
    assert units.grid("XBX", "KGM", Decimal("0.25")) == Decimal(1)
    assert units.grid("GRM", "KGM", Decimal("0.25")) == Decimal("0.000001")


def test_an_exact_value_is_shown_half_even() -> None:
    assert units.decimal(Fraction(2, 3)) == Decimal("0.666667")
    assert units.decimal(Fraction(5, 2), 0) == Decimal(2)
    assert units.decimal(Fraction(7, 2), 0) == Decimal(4)


@pytest.mark.rule("MAT-7")
def test_a_factor_that_does_not_fit_into_its_column_is_none() -> None:
    most = Fraction(units.LARGEST)
    assert units.factor("XBX", "H87", {"XBX": most}) == most
    assert units.factor("XBX", "H87", {"XBX": 1 / most}) == 1 / most
    for size in (most + 1, 1 / (most + 1)):
        with pytest.raises(units.NoConversion):
            units.factor("XBX", "H87", {"XBX": size})
