"""What numbers of lots look like."""

import pytest

from services.materials.rules.number_rules import NumberRule


@pytest.mark.rule("MAT-12")
@pytest.mark.parametrize(
    ("prefix", "length", "digits", "number", "refusal"),
    [
        ("", 0, False, "anything at all", ""),
        ("L-", 6, True, "L-0042", ""),
        ("L-", 6, True, "l-0042", "must begin with 'L-' and have 6 characters and have digits behind the prefix"),
        ("L-", 6, True, "L-042", "must begin with 'L-' and have 6 characters and have digits behind the prefix"),
        ("L-", 0, True, "L-04A", "must begin with 'L-' and have digits behind the prefix"),
        ("", 0, True, "٣", "must have digits alone"),
        ("L", 0, False, "L", "must begin with 'L'"),
        ("", 3, False, "12", "must have 3 characters"),
        ("Ä", 2, False, "Ä1", ""),
    ],
)
def test_a_number_is_as_the_rule_says(prefix: str, length: int, digits: bool, number: str, refusal: str) -> None:
    assert NumberRule(prefix, length, digits).refusal(number) == refusal


def test_a_rule_that_no_number_could_keep_is_broken() -> None:
    assert NumberRule("LOT", 3).broken()
    assert not NumberRule("LOT", 4).broken()
    assert not NumberRule("LOT").broken()
    assert NumberRule.of(None).refusal("x") == ""
    assert NumberRule.of({"prefix": "L", "length": 4}).refusal("L12") == "must begin with 'L' and have 4 characters"
    assert NumberRule("L", 1).broken()
    assert not NumberRule("", 1).broken()
    assert NumberRule().refusal("") == "must not be empty"
