"""A measure is numerator by denominator, and nothing where that is 0."""

from decimal import Decimal

import pytest

from services.materials.rules.measures import Value


@pytest.mark.rule("MAT-330")
@pytest.mark.parametrize(
    ("above", "below", "value"), [("1", "3", "0.333333"), ("0", "5", "0"), ("5", "0", None), ("0", "0", None)]
)
def test_no_denominator_gives_no_value(above: str, below: str, value: str | None) -> None:
    assert Value(Decimal(above), Decimal(below)).value == (None if value is None else Decimal(value))
