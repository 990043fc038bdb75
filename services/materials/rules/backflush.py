"""Backflush: what production has used of a component, computed from what it reported (MAT-122 .. MAT-124, MAT-130)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from services.materials.rules import units
from services.materials.rules.unit_codes import discrete
from services.materials.rules.units import Rounding

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Count:
    """Units reported at an operation so far."""

    good: Decimal = ZERO
    scrap: Decimal = ZERO


def passed(counts: Mapping[int, Count], operation: int) -> Decimal:
    """Units that have gone through an operation: what is good at it or behind it, with what was spoilt up to there.

    At an operation o behind it (or itself) good(o) + the scrap from the operation on up to o surely went through it;
    the largest of these is what is known. So scrap at 20 takes of components of 10, and of none of 30.
    """
    spoilt, most = ZERO, ZERO
    for number in sorted(number for number in counts if number >= operation):
        spoilt += counts[number].scrap
        most = max(most, counts[number].good + spoilt)
    return most


def alive(counts: Mapping[int, Count], operation: int, out: Decimal) -> Decimal:
    """Units that have gone through an operation, were not spoilt at it or later, and are not `out` yet."""
    spoilt = sum((count.scrap for number, count in counts.items() if number >= operation), ZERO)
    return max(passed(counts, operation) - spoilt - out, ZERO)


def needed(per_unit: Fraction, scrap_percent: Decimal) -> Fraction:
    """What one unit takes with what is lost on the way: quantity ÷ (1 − s)."""
    return per_unit / (1 - Fraction(scrap_percent) / 100)


def brought(exact: Fraction, unit_code: str, step: Decimal, rounding: Rounding = Rounding.HALF_EVEN) -> Decimal:
    """On the grid of the component, once: up if it is counted, to the nearest step if it is measured."""
    return units.up(exact, step) if discrete(unit_code) else units.nearest(exact, step, rounding)


def outside(used: Decimal, required: Decimal, over_percent: Decimal, under_percent: Decimal) -> bool:
    """Whether what was used is further from what is required than the tolerance allows (MAT-124)."""
    exact, target = Fraction(used), Fraction(required)
    return (
        exact > target * (1 + Fraction(over_percent) / 100) or exact < target * (1 - Fraction(under_percent) / 100)
    )  # fmt: skip


@dataclass(slots=True)
class Source:
    """Stock of one balance that may be used, with what is left of it while it is planned."""

    balance: str
    item: str
    location: str
    lot: str
    serial: str
    handling_unit: str
    left: Decimal
    expire_date: date | None = None
    since: datetime | None = None
    path_order: int = 0
    project: str = ""
    operation: int = 0
    kind: str = ""
    second_left: Decimal | None = None
    second_unit_code: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """So much of a source; pooled when it may have been another lot that lay there."""

    source: Source
    quantity: Decimal
    pooled: bool = False
    second: Decimal | None = None


def order(source: Source, operation: int) -> tuple[bool, bool, date, float, int, str]:
    """What is used first: what was handed out into the operation, then by expiry, age, way and name."""
    since = source.since.timestamp() if source.since is not None else 0.0
    expiry = source.expire_date or date.max
    return source.operation != operation, source.expire_date is None, expiry, since, source.path_order, source.balance


def draw(sources: Iterable[Source], amount: Decimal, operation: int = 0, today: date | None = None) -> list[Part]:
    """Take an amount from sources in their order, what has expired left out; less where there is less (MAT-123).

    A part is pooled when another lot lay there that may have been used in its place.
    """
    open_ones = [
        source
        for source in sources
        if source.left > 0 and (today is None or source.expire_date is None or source.expire_date >= today)
    ]
    lots = {source.lot for source in open_ones}
    found: list[Part] = []
    for source in sorted(open_ones, key=lambda source: order(source, operation)):
        taken = min(source.left, amount)
        if taken <= 0:
            break
        source.left -= taken
        amount -= taken
        found.append(Part(source, taken, len(lots) > 1 and not source.serial))
    return found


def weighed(parts: Sequence[Part], stated: Decimal | None = None) -> list[Part] | None:
    """Parts that were drawn, with their second quantities; None where one is not known (MAT-9).

    A part that is all of its source has what lies there. Of what was `stated` for all the last part has the rest.
    """
    found: list[Part] = []
    rest = stated
    for number, part in enumerate(parts, 1):
        source = part.source
        if not source.second_unit_code:
            found.append(part)
            continue
        whole = source.left == 0
        if rest is not None and number == len(parts):
            second = rest
        elif whole and source.second_left is not None:
            second = source.second_left
        else:
            unweigh(found)
            return None
        rest = rest - second if rest is not None else None
        if source.second_left is not None:
            source.second_left -= second
        found.append(replace(part, second=second))
    return found


def unweigh(parts: Iterable[Part]) -> None:
    """Undo what `weighed` took."""
    for part in parts:
        if part.second is not None and part.source.second_left is not None:
            part.source.second_left += part.second


def total(parts: Sequence[Part]) -> Decimal:
    """Sum of parts."""
    return sum((part.quantity for part in parts), ZERO)
