"""Weights of handling units, exact."""

from decimal import Decimal as D
from fractions import Fraction

import pytest

from services.materials.rules import weights
from services.materials.rules.weights import Stated

NONE: Stated = (None, "")


@pytest.mark.parametrize(
    ("value", "unit_code", "kilograms"),
    [
        (D("1.5"), "KGM", Fraction(3, 2)),
        (D(250), "GRM", Fraction(1, 4)),
        (D(2), "TNE", Fraction(2000)),
        (D(1), "LBR", Fraction(45359237, 100_000_000)),
        (D(0), "KGM", Fraction(0)),
        (D(1), "MTR", None),
        (D(1), "", None),
        (None, "KGM", None),
    ],
)
def test_a_weight_in_kilograms_is_exact(value: D | None, unit_code: str, kilograms: Fraction | None) -> None:
    assert weights.kilograms(value, unit_code) == kilograms


@pytest.mark.parametrize(
    ("stated", "tare", "inside", "weight"),
    [
        ((D(500), "KGM"), (D(25), "KGM"), [Fraction(7)], Fraction(500)),
        ((D(500), "KGM"), NONE, [None], Fraction(500)),
        (NONE, (D(25), "KGM"), [Fraction(7), Fraction(1, 2)], Fraction(65, 2)),
        (NONE, (D(25), "KGM"), [], Fraction(25)),
        (NONE, (D(25), "KGM"), [Fraction(7), None], None),
        (NONE, NONE, [Fraction(7)], None),
    ],
)
def test_a_unit_weighs_what_is_stated_else_its_tare_and_all_inside(
    stated: Stated, tare: Stated, inside: list[Fraction | None], weight: Fraction | None
) -> None:
    assert weights.heaviest(stated, tare, inside) == weight
