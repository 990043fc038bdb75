"""Order quantity on the supplier's grid, then the price of its break (PRC-33 .. PRC-38); money rounded once (PRC-3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Price:
    """Unit price of the base quantity from a break on, valid from <= day < to."""

    break_quantity: Decimal
    unit_price: Decimal
    from_date: date | None = None
    to_date: date | None = None

    def valid(self, day: date) -> bool:
        """Whether it holds on a day."""
        return (self.from_date is None or self.from_date <= day) and (self.to_date is None or day < self.to_date)


class NoPrice(ValueError):
    """No price row is valid for the quantity; never a price of 0 (PRC-37)."""


def order_quantity(need: Decimal, minimum: Decimal, multiple: Decimal) -> Decimal:
    """ceil(max(need, MOQ) / multiple) · multiple (PRC-34)."""
    wanted = max(need, minimum)
    return (wanted / multiple).to_integral_value(ROUND_CEILING) * multiple


def to_order_unit(base_quantity: Decimal, numerator: int, denominator: int) -> Decimal:
    """Base quantity in the order unit; exact, rounded up only at the sixth decimal (PRC-6)."""
    exact = Fraction(base_quantity) * denominator / numerator
    with localcontext(prec=60):
        value = Decimal(exact.numerator) / Decimal(exact.denominator)
        return value.quantize(Decimal("0.000001"), ROUND_CEILING)


def price_of(prices: Sequence[Price], quantity: Decimal, day: date) -> Price:
    """The valid row with the largest break that the quantity reaches; later from wins a tie (PRC-37)."""
    found = [price for price in prices if price.valid(day) and price.break_quantity <= quantity]
    if not found:
        raise NoPrice(f"no price is valid for {quantity} on {day}")
    return max(found, key=lambda price: (price.break_quantity, price.from_date or date.min))


def net(quantity: Decimal, unit_price: Decimal, base_quantity: Decimal) -> Decimal:
    """round(quantity × price ÷ base quantity), half away from zero (PRC-2, PRC-3)."""
    with localcontext(prec=60):
        return (quantity * unit_price / base_quantity).quantize(CENT, ROUND_HALF_UP)


def accept_limit(quantity: Decimal, over_percent: Decimal) -> Decimal:
    """Most that is accepted of a line: ordered · (1 + percent), exactly (PRC-153)."""
    return quantity * (100 + over_percent) / 100
