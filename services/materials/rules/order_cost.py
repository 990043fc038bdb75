"""What a production order costs, and how much of it goes into what was made (MAT-121, MAT-127)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.materials.rules import valuation

ZERO = Decimal(0)
STEP = Decimal("0.000001")


@dataclass(slots=True)
class Input:
    """What was used of one component by one report, and what of it is in nothing that was made yet."""

    key: str
    lot: str
    handling_unit: str
    operation: int
    remaining: Decimal
    remaining_value: Decimal
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class Absorbed:
    """A part of an input that went into what was made."""

    input: Input
    quantity: Decimal
    value: Decimal


def absorb(inputs: Sequence[Input], part: Decimal, whole: Decimal, digits: int = 2) -> list[Absorbed]:
    """Inputs of one component that go into `part` of the `whole` units that have them; oldest first.

    The last of these units takes all that remains, in quantity and in value, so that nothing is lost or left.
    """
    open_ones = [row for row in inputs if row.remaining > 0 or row.remaining_value > 0]
    if part <= 0:
        return []
    left = sum((row.remaining for row in open_ones), ZERO)
    wanted = left if part >= whole else (left * part / whole).quantize(STEP)
    found = []
    for row in open_ones:
        all_of_it = part >= whole or row.remaining <= wanted
        taken = row.remaining if all_of_it else wanted
        if taken <= 0 and not (all_of_it and part >= whole):
            break
        value = row.remaining_value if all_of_it else valuation.share(row.remaining_value, taken, row.remaining, digits)
        row.remaining -= taken
        row.remaining_value -= value
        wanted -= taken
        found.append(Absorbed(row, taken, value))
    return found


@dataclass(frozen=True, slots=True)
class Cost:
    """Value of what was made: that of each co-product, the item of the order first, and what the order bears on."""

    shares: list[Decimal]
    carry: Decimal


def cost(
    absorbed: Decimal, carry: Decimal, beside: Decimal, percents: Sequence[Decimal], digits: int = 2
) -> Cost:  # fmt: skip
    """Value of one report's outputs = inputs absorbed + what the order bore − what by-products are worth, in shares.

    The shares sum to it exactly, the largest remainder first (MAT-5). By-products worth more than all else leave
    nothing to share; the rest lowers what comes next (`carry` below 0).
    """
    whole = absorbed + carry - beside
    if not percents:
        return Cost([], whole)
    given = max(whole, ZERO)
    return Cost(valuation.parts(given, percents, digits), whole - given)
