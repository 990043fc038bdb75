"""What a look into the bin means."""

from decimal import Decimal as D

import pytest

from services.materials.rules.bin_check import Check, Rest, check


@pytest.mark.rule("MAT-108")
@pytest.mark.parametrize(
    ("left", "seen", "wanted"),
    [
        (0, None, Check.ASK), (0, Rest.EMPTY, Check.CONFIRMED), (0, Rest.NOT_EMPTY, Check.COUNT),
        (2, None, Check.NONE), (2, Rest.NOT_EMPTY, Check.NONE), (2, Rest.EMPTY, Check.COUNT),
    ],
)  # fmt: skip
def test_what_a_look_into_the_bin_means(left: int, seen: Rest | None, wanted: Check) -> None:
    assert check(D(left), seen) is wanted
