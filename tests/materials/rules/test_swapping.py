"""Who gives up stock that another reservation wants."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest

from services.materials.rules.breaking import Claim
from services.materials.rules.swapping import plan

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.rule("MAT-75")
@pytest.mark.parametrize(
    ("wanted", "free", "priority", "free_taken", "given", "missing"),
    [
        (3, 5, 3, 3, [], 0),
        (6, 5, 3, 5, [("low", 1)], 0),
        (9, 0, 3, 0, [("low", 4), ("equal", 4)], 1),
        (9, 0, 1, 0, [("low", 4), ("equal", 4), ("high", 1)], 0),
        (9, -2, 5, 0, [("low", 4)], 5),
    ],
)
def test_what_is_free_first_then_the_lowest_priority_that_is_not_higher(
    wanted: int, free: int, priority: int, free_taken: int, given: list[tuple[str, int]], missing: int
) -> None:
    others = [
        Claim(name, "b", D(4), rank, MONDAY + timedelta(hours=rank))
        for name, rank in (("high", 2), ("equal", 3), ("low", 5))
    ]
    found = plan(D(wanted), D(free), others, priority)
    assert (found.free, found.missing) == (free_taken, missing)
    assert [(claim.reservation, int(amount)) for claim, amount in found.from_others] == given
    assert found.amount + found.missing == wanted
