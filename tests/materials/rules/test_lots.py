"""Dates of lots: what is merged, what lasts, what goes together."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.lots import Dates, lasting, merged

BEGIN = date(2030, 1, 1)


def dates(made: int | None, best: int | None, ends: int | None) -> Dates:
    """Days after the manufacture, or after the beginning where that is not known."""
    start = BEGIN + timedelta(days=made or 0)
    return Dates(
        None if made is None else start,
        None if best is None else start + timedelta(days=best),
        None if ends is None else start + timedelta(days=ends),
    )


some = st.builds(dates, *(st.none() | st.integers(0, 900) for _ in range(3)))


@pytest.mark.rule("MAT-14")
@given(st.lists(some, min_size=1, max_size=6))
def test_what_is_merged_is_never_used_later_than_any_part_of_it(lots: list[Dates]) -> None:
    found = merged(lots)
    assert found.fault == ""
    for name in ("best_before_date", "expire_date"):
        known = [getattr(lot, name) for lot in lots if getattr(lot, name) is not None]
        assert getattr(found, name) == (min(known) if known else None)
    whole = all(lot.manufacture_date is not None for lot in lots)
    assert (found.manufacture_date is not None) == whole


@pytest.mark.rule("MAT-13")
@pytest.mark.parametrize(
    ("given_dates", "days", "expires"),
    [
        (Dates(date(2028, 2, 1)), 28, date(2028, 2, 29)),
        (Dates(date(2028, 2, 1), None, date(2028, 2, 5)), 28, date(2028, 2, 5)),
        (Dates(date(2028, 2, 1)), 0, None),
        (Dates(), 28, None),
    ],
)
def test_the_shelf_life_counts_from_the_manufacture(given_dates: Dates, days: int, expires: date | None) -> None:
    assert lasting(given_dates, days).expire_date == expires


@pytest.mark.rule("MAT-13")
def test_nothing_ends_before_it_was_made() -> None:
    made = date(2030, 1, 2)
    assert Dates(made, date(2030, 1, 1), made).fault == "best_before_date"
    assert Dates(made, made, date(2030, 1, 1)).fault == "expire_date"
    assert Dates(made, made, made).fault == Dates(None, date(2030, 1, 1)).fault == ""
