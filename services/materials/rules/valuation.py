"""Moving average: value is stored, the unit cost derived; the last piece takes the residue (MAT-180 .. MAT-182).

The posting function computes the same in the database; a test compares both.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

from services.materials.rules import units

ZERO = Decimal(0)

_NO_MINOR_UNIT = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
     "XPF"}
)  # fmt: skip
_THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def places(currency_code: str) -> int:
    """Decimals of a currency (ISO 4217): JPY 0, KWD 3, usually 2."""
    if currency_code in _NO_MINOR_UNIT:
        return 0
    return 3 if currency_code in _THOUSANDTHS else 2


def rounded(amount: Decimal, digits: int = 2) -> Decimal:
    """Money to a number of decimals, half away from zero (PRC-3)."""
    return amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def share(value: Decimal, part: Decimal, whole: Decimal, digits: int = 2) -> Decimal:
    """Part of a value, rounded; all of it where the part is the whole."""
    if part >= whole:
        return value
    with localcontext(prec=80):
        return rounded(value * part / whole, digits)


def part(value: Decimal, amount: Decimal, whole: Decimal, digits: int = 2) -> Decimal:
    """Value of an amount at the price of a whole, rounded; also of more than the whole."""
    with localcontext(prec=80):
        return rounded(value * amount / whole, digits)


def parts(value: Decimal, weights: Sequence[Decimal], digits: int = 2) -> list[Decimal]:
    """A rounded value in parts by weight that sum to it exactly (MAT-5): 10.00 in 1, 1, 1 is 3.34, 3.33, 3.33."""
    return units.split(rounded(value, digits), weights, Decimal(1).scaleb(-digits))


@dataclass(frozen=True, slots=True)
class Stock:
    """Quantity and its value; `variance` is what a reversal at original cost left without quantity to carry it."""

    quantity: Decimal = ZERO
    value: Decimal = ZERO
    variance: Decimal = ZERO


def receive(stock: Stock, quantity: Decimal, value: Decimal, digits: int = 2) -> Stock:
    """A receipt adds its value.

    Onto less than nothing, what is left of it counts at its own cost: what it differs from the cost at which the
    missing part went out is variance (MAT-182).
    """
    came, left = rounded(value, digits), stock.quantity + quantity
    if stock.quantity >= 0:
        return Stock(left, stock.value + came, stock.variance)
    worth = share(came, left, quantity, digits) if left > 0 else part(stock.value, left, stock.quantity, digits)
    return Stock(left, worth, stock.variance + stock.value + came - worth)


def missing(stock: Stock, quantity: Decimal, standard_cost: Decimal = ZERO, digits: int = 2) -> Decimal:
    """What goes out beyond what is there, at the cost of what was there; else at standard cost (MAT-182)."""
    if stock.quantity == 0:
        return rounded(standard_cost * quantity, digits)
    return part(abs(stock.value), quantity, abs(stock.quantity), digits)


def issue(
    stock: Stock, quantity: Decimal, digits: int = 2, standard_cost: Decimal = ZERO
) -> tuple[Stock, Decimal]:  # fmt: skip
    """An issue takes quantity × value ÷ quantity on hand; the one that empties it takes all (MAT-181)."""
    there = min(quantity, max(stock.quantity, ZERO))
    cost = share(stock.value, there, stock.quantity, digits) if stock.quantity > 0 else ZERO
    if quantity > there:
        cost += missing(stock, quantity - there, standard_cost, digits)
    return take_out(stock, quantity, cost), cost


def take_out(stock: Stock, quantity: Decimal, cost: Decimal) -> Stock:
    """Take a quantity out at a given cost (MAT-46).

    Stock has no value below 0 but where there is less than nothing, and none at all without quantity: the difference
    goes to variance.
    """
    left, rest = stock.quantity - quantity, stock.value - cost
    value = ZERO if left == 0 else max(rest, ZERO) if left > 0 else min(rest, ZERO)
    return Stock(left, value, stock.variance + rest - value)


@dataclass(frozen=True, slots=True)
class Change:
    """What a movement did to the stock of an item: signed quantity and value as booked; 0 changes value alone.

    `given` keeps its value whatever the stock is worth; what came in always does, but for a reversal. `standard_cost`
    is what one unit is worth where nothing was there to say so.
    """

    movement: str
    quantity: Decimal
    value: Decimal
    given: bool = False
    reverses: str = ""
    standard_cost: Decimal = ZERO


def replay(start: Stock, changes: Iterable[Change], digits: int = 2) -> tuple[Stock, list[str]]:
    """The stock after changes in the order of replay, and the issues that would have had another value (MAT-186)."""
    stock, costs, issues = start, dict[str, list[Decimal]](), dict[str, None]()
    for change in changes:
        if change.quantity > 0:
            known = costs.get(change.reverses)
            stock = receive(stock, change.quantity, known.pop() if known else change.value, digits)
        elif change.quantity < 0:
            cost = -change.value
            if change.given:
                stock = take_out(stock, -change.quantity, cost)
            else:
                stock, cost = issue(stock, -change.quantity, digits, change.standard_cost)
                costs.setdefault(change.movement, []).append(cost)
                if cost != -change.value:
                    issues[change.movement] = None
        else:
            value = max(stock.value + change.value, ZERO) if stock.quantity > 0 else stock.value
            stock = Stock(stock.quantity, value, stock.variance + stock.value + change.value - value)
    return stock, list(issues)


def landed(amount: Decimal, received: Decimal, remaining: Decimal, stock_value: Decimal, digits: int = 2) -> Decimal:
    """The part of a later cost of goods that goes to what remains of them; the rest is variance (MAT-185).

    A part below 0 takes no more than the stock is worth.
    """
    if remaining <= 0:
        return ZERO
    return max(share(amount, min(remaining, received), received, digits), -stock_value)
