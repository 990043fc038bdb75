"""Which other item may stand for an item: the first that does not fit is named."""

from datetime import date
from typing import Any

import pytest

from services.materials.rules import alternates

MAY = {"year": 2026, "month": 5, "day": 1}
JUNE = {"year": 2026, "month": 6, "day": 1}


@pytest.mark.rule("MAT-10")
@pytest.mark.parametrize(
    ("rows", "broken"),
    [
        ([], None),
        ([{"item": "items/b"}, {"item": "items/c", "from_date": MAY, "to_date": JUNE}], None),
        ([{"item": "items/b", "from_date": MAY, "to_date": MAY}], None),
        ([{"item": "items/b", "from_date": JUNE}, {"item": "items/c", "to_date": MAY}], None),
        ([{"item": "items/b"}, {"item": "items/a"}], (1, "item", "must be another item")),
        ([{"item": "items/b"}, {"item": "items/c"}, {"item": "items/b"}], (2, "item", "is named once")),
        (
            [{"item": "items/b", "from_date": JUNE, "to_date": MAY}],
            (0, "to_date", "must not be before from_date"),
        ),
    ],
)
def test_the_first_that_does_not_fit_is_named(rows: list[dict[str, Any]], broken: tuple[int, str, str] | None) -> None:
    assert alternates.broken("items/a", rows) == broken


def test_a_day_is_read_from_its_plain_form() -> None:
    assert alternates.day(MAY) == date(2026, 5, 1)
    assert alternates.day(None) is None
    assert alternates.day({}) is None
