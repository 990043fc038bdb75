"""Moving average: value is stored, the unit cost derived; the last piece takes the residue (MAT-180, MAT-181)."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

CENT = Decimal("0.01")


def rounded(amount: Decimal, exponent: Decimal = CENT) -> Decimal:
    """Money to the currency's exponent, half away from zero (PRC-3)."""
    return amount.quantize(exponent, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Stock:
    """Quantity and its value."""

    quantity: Decimal = Decimal(0)
    value: Decimal = Decimal(0)


def receive(stock: Stock, quantity: Decimal, value: Decimal) -> Stock:
    """A receipt adds its value."""
    return Stock(stock.quantity + quantity, stock.value + rounded(value))


def issue(stock: Stock, quantity: Decimal) -> tuple[Stock, Decimal]:
    """An issue takes quantity × value ÷ quantity on hand; the one that empties it takes all (MAT-181)."""
    if stock.quantity <= 0:
        return Stock(stock.quantity - quantity, stock.value), Decimal(0)
    if quantity >= stock.quantity:
        return Stock(stock.quantity - quantity, Decimal(0)), stock.value
    with localcontext(prec=60):
        cost = rounded(quantity * stock.value / stock.quantity)
    return Stock(stock.quantity - quantity, stock.value - cost), cost
