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


def back(item: str, chains: Mapping[str, Sequence[str]]) -> list[str]:
    """A way from an item over those that stand in for it back to itself; empty when there is none."""
    ways, seen = [[item, name] for name in chains.get(item, ())], set()
    while ways:
        way = ways.pop()
        if way[-1] == item:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [[*way, name] for name in chains.get(way[-1], ())]
    return []


def last_first(chains: Mapping[str, Sequence[str]]) -> list[str]:
    """Items with alternates so that each comes behind those that stand in for it."""
    found: list[str] = []
    seen: set[str] = set()
    ways = [(name, False) for name in sorted(chains, reverse=True)]
    while ways:
        name, ready = ways.pop()
        if ready:
            found.append(name)
        elif name in chains and name not in seen:
            seen.add(name)
            ways += [(name, True), *((other, False) for other in chains[name])]
    return found
