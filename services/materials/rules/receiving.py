"""Which order lines a delivery belongs to, earliest first, and what is beyond all of them (MAT-96)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from services.materials.rules import units

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Room:
    """What a line still awaits, and what it still accepts; in the base unit."""

    awaited: Decimal
    accepted: Decimal


def fitting(accepted: Fraction, step: Decimal) -> Decimal:
    """The most of an item that is within what is accepted, on its grid; nothing where more is there already."""
    return max(ZERO, units.down(accepted, step))


def spread(lines: Sequence[Room], amount: Decimal) -> tuple[list[Decimal], Decimal]:
    """What of an amount each line gets, and what is left over.

    The first lines get first what they await; what is more goes to the first that accept more.
    """
    found, left = [ZERO] * len(lines), amount
    for limits in ([min(line.awaited, line.accepted) for line in lines], [line.accepted for line in lines]):
        for number, limit in enumerate(limits):
            part = max(ZERO, min(limit - found[number], left))
            found[number] += part
            left -= part
    return found, left
