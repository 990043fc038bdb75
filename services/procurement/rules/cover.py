"""What an order line still brings to which need, and how much of a receipt was accepted (PRC-61, PRC-63, PRC-158)."""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

from services.procurement.rules.price import STEP


def coming(needed: Sequence[Fraction], accepted: Fraction, top: Fraction) -> list[Fraction]:
    """What each need may still get: needs in their order take from the bottom, `accepted` has been given already.

    `top` is the most that the line can bring. The sum is never above top - accepted.
    """
    found: list[Fraction] = []
    start = Fraction(0)
    for wanted in needed:
        end = start + wanted
        found.append(max(Fraction(0), min(end, top) - max(start, accepted)))
        start = end
    return found


def share(part: Decimal, whole: Decimal, quantity: Decimal) -> Decimal:
    """`part` of `whole` in the unit of `quantity`; the whole is exactly the quantity, whatever was rounded before."""
    if part >= whole:
        return quantity
    with localcontext(prec=60):
        return (quantity * part / whole).quantize(STEP, ROUND_HALF_UP)


def floor(value: Fraction) -> Decimal:
    """The largest quantity that is not above an exact value."""
    with localcontext(prec=60):
        return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(STEP, ROUND_FLOOR)
