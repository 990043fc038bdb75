"""Structures: exact quantities, shares of cost, levels (MAT-127, MAT-130)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from services.materials.rules import backflush

HUNDRED = Decimal(100)
LARGEST = 2**63 - 1


def main_percent(co_products: Sequence[Decimal], stated: Decimal | None) -> Decimal | None:
    """Share of the item itself: 100 less those of its co-products; None when the percents do not sum to 100."""
    rest = HUNDRED - sum(co_products, Decimal(0))
    if rest <= 0 or any(percent <= 0 for percent in co_products) or (stated is not None and stated != rest):
        return None
    return rest


def fits(ratio: Fraction) -> bool:
    """Whether a ratio can be kept as two whole numbers."""
    return max(ratio.numerator, ratio.denominator) <= LARGEST


Dated = dict[str, dict[date, Sequence[str]]]
"""Item -> day of a revision -> what it is made of from then on."""


def back(top: str, goes_in: Iterable[str], day: date, known: Mapping[str, Mapping[date, Sequence[str]]]) -> list[str]:
    """The way on which an item would be made of itself at any time from a day on; empty without one (MAT-130).

    Of each item all revisions count that are not replaced by a later one until that day. `known` is all that lies
    below `goes_in`; the shortest way is given.
    """
    ways = [[top, item] for item in sorted(set(goes_in))]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        if way[-1] == top:
            return way
        if way[-1] in seen:
            continue
        seen.add(way[-1])
        days = known.get(way[-1], {})
        replaced = max((one for one in days if one <= day), default=date.min)
        for one in sorted(days):
            if one >= replaced:
                ways += [[*way, item] for item in sorted(days[one])]
    return []


@dataclass(frozen=True, slots=True)
class Edge:
    """A component at its place in the tree; `path` are the lines from the top."""

    path: tuple[int, ...]
    per_base: Fraction
    base: Decimal
    scrap_percent: Decimal


def exploded(edges: Iterable[Edge], quantity: Decimal) -> dict[tuple[int, ...], Fraction]:
    """Exact quantity of each component of a tree: that of its parent × per base ÷ base ÷ (1 − s)."""
    found: dict[tuple[int, ...], Fraction] = {(): Fraction(quantity)}
    for edge in sorted(edges, key=lambda edge: len(edge.path)):
        per_unit = backflush.needed(edge.per_base / Fraction(edge.base), edge.scrap_percent)
        found[edge.path] = found[edge.path[:-1]] * per_unit
    del found[()]
    return found
