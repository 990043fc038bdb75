"""Goods that left and come back in parts: which lines they are of, and what they are worth."""

from collections.abc import Sequence
from decimal import Decimal

from services.materials.rules import valuation

ZERO, ONE = Decimal(0), Decimal(1)


def spread(open_quantities: Sequence[Decimal], amount: Decimal) -> list[Decimal]:
    """What of an amount each line takes, the first lines first; less than the amount in sum where they hold less."""
    found, left = [], amount
    for there in open_quantities:
        part = min(there, left)
        found.append(part)
        left -= part
    return found


def worth(value: Decimal, whole: Decimal, before: Decimal, part: Decimal, digits: int = 2) -> Decimal:
    """Value of a part that comes after others; the parts of the whole sum to its value exactly.

    10.00 of 3 come back as 3.33, 3.34, 3.33.
    """
    return valuation.share(value, before + part, whole, digits) - (
        valuation.share(value, before, whole, digits) if before else ZERO
    )
