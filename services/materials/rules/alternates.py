"""Alternates of an item: which other may stand for it, from when to when (MAT-10)."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any


def day(kept: Mapping[str, Any] | None) -> date | None:
    """The calendar day of its plain form; None for none."""
    return date(kept["year"], kept["month"], kept["day"]) if kept else None


def broken(item: str, alternates: Sequence[Mapping[str, Any]]) -> tuple[int, str, str] | None:
    """(position, field, rule) of the first that does not fit; None when all do."""
    seen: set[str] = set()
    for index, row in enumerate(alternates):
        if row["item"] == item:
            return index, "item", "must be another item"
        if row["item"] in seen:
            return index, "item", "is named once"
        first, last = day(row.get("from_date")), day(row.get("to_date"))
        if first is not None and last is not None and last < first:
            return index, "to_date", "must not be before from_date"
        seen.add(row["item"])
    return None
