"""Order quantity on the supplier's grid, then the price of its break (PRC-33 .. PRC-38); money rounded once (PRC-3)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

STEP = Decimal("0.000001")
"""Smallest step of a quantity."""
WHOLE = Decimal(10) ** 12
"""Quantities and amounts stay below it: twelve digits before the point."""

_EXPONENTS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0,
    "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip
"""Decimals of ISO 4217 currencies that have not two."""


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


@dataclass(frozen=True, slots=True)
class Terms:
    """What a supplier asks for: grid, prices of `price_base` units, currency; quantities in the order unit."""

    minimum: Decimal
    multiple: Decimal
    price_base: Decimal
    prices: Sequence[Price]
    currency_code: str


@dataclass(frozen=True, slots=True)
class Quote:
    """Order quantity, the price row of its break, and the net total."""

    quantity: Decimal
    price: Price
    total: Decimal


class NoPrice(ValueError):
    """No price row is valid for the quantity; never a price of 0 (PRC-37)."""


def plain(value: Decimal) -> str:
    """Decimal for sentences: no exponent, no trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def order_quantity(need: Decimal | Fraction, minimum: Decimal, multiple: Decimal) -> Decimal:
    """ceil(max(need, MOQ) / multiple) · multiple, exactly (PRC-6, PRC-34)."""
    steps = math.ceil(max(Fraction(need), Fraction(minimum)) / Fraction(multiple))
    with localcontext(prec=60):
        return steps * multiple


def price_of(prices: Sequence[Price], quantity: Decimal, day: date) -> Price:
    """The valid row with the largest break that the quantity reaches; later from wins a tie (PRC-37)."""
    found = [price for price in prices if price.valid(day) and price.break_quantity <= quantity]
    if not found:
        raise NoPrice(f"no price is valid for {plain(quantity)} on {day}")
    return max(found, key=lambda price: (price.break_quantity, price.from_date or date.min))


def quote(terms: Terms, need: Decimal | Fraction, day: date) -> Quote:
    """Quantity, then break, then total (PRC-33); NoPrice when nothing is valid or a number has too many digits."""
    amount = order_quantity(need, terms.minimum, terms.multiple)
    if amount >= WHOLE:
        raise NoPrice("the quantity has more than 12 digits")
    price = price_of(terms.prices, amount, day)
    total = net(amount, price.unit_price, terms.price_base, terms.currency_code)
    if total >= WHOLE:
        raise NoPrice("the total has more than 12 digits")
    return Quote(amount, price, total)


def minor_unit(currency_code: str) -> Decimal:
    """Smallest amount of an ISO 4217 currency: 0.01, for some 1 or 0.001."""
    return Decimal(1).scaleb(-_EXPONENTS.get(currency_code, 2))


def net(quantity: Decimal, unit_price: Decimal, base_quantity: Decimal, currency_code: str) -> Decimal:
    """round(quantity × price ÷ base quantity, currency exponent), half away from zero (PRC-2, PRC-3)."""
    with localcontext(prec=60):
        return (quantity * unit_price / base_quantity).quantize(minor_unit(currency_code), ROUND_HALF_UP)


def accept_limit(quantity: Decimal, over_percent: Decimal) -> Decimal:
    """Most that is accepted of a line: ordered · (1 + percent), cut to the steps that a quantity can have (PRC-153)."""
    with localcontext(prec=60):
        return (quantity * (100 + over_percent) / 100).quantize(STEP, ROUND_FLOOR)
