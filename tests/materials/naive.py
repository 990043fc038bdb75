"""The value of stock as one would reckon it with the goods in one's hands (MAT-181 .. MAT-183)."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

D = Decimal


class Naive:
    """Goods as they lie on top of each other: what goes out takes the oldest, or its share of the heap."""

    def __init__(self, method: str, digits: int = 2) -> None:
        self.layered = method == "FIFO"
        self.least = D(1).scaleb(-digits)
        self.heap: list[list[Any]] = []  # tag, quantity, value
        self.owed, self.owed_value, self.variance = D(0), D(0), D(0)

    @property
    def value(self) -> Decimal:
        return sum((row[2] for row in self.heap), D(0)) - self.owed_value

    @property
    def quantity(self) -> Decimal:
        return sum((row[1] for row in self.heap), D(0)) - self.owed

    def money(self, exact: Fraction) -> Decimal:
        """An exact amount in the least piece of the currency, half away from zero."""
        return (D(exact.numerator) / D(exact.denominator)).quantize(self.least, ROUND_HALF_UP)

    def come(self, tag: str, quantity: Decimal, value: Decimal) -> None:
        if self.owed:
            paid = min(quantity, self.owed)
            kept = quantity - paid
            owed = self.money(Fraction(self.owed_value) * Fraction(self.owed - paid) / Fraction(self.owed))
            worth = self.money(Fraction(value) * Fraction(kept) / Fraction(quantity)) if kept else D(0)
            self.variance += value - worth - (self.owed_value - owed)
            self.owed, self.owed_value = self.owed - paid, owed
            quantity, value = kept, worth
        if quantity:
            if self.layered or not self.heap:
                self.heap.append([tag, quantity, value])
            else:
                self.heap[0][1] += quantity
                self.heap[0][2] += value

    def go(self, quantity: Decimal, given: Decimal | None, tag: str = "") -> tuple[Decimal, list[list[Any]]]:
        """What went, and of which goods."""
        before, value = self.quantity, self.value
        there, taken, parts = min(quantity, max(before, D(0))), D(0), []
        rest = there
        for row in sorted(self.heap, key=lambda row: row[0] != tag):
            part = min(rest, row[1])
            if part:
                worth = row[2] if part == row[1] else self.money(Fraction(row[2]) * Fraction(part) / Fraction(row[1]))
                parts.append([row[0], part, worth])
                row[1], row[2] = row[1] - part, row[2] - worth
                rest, taken = rest - part, taken + worth
        self.heap = [row for row in self.heap if row[1]]
        over, unit = quantity - there, Fraction(0)
        if before:
            unit = Fraction(abs(value)) / Fraction(abs(before))
        cost = taken + self.money(unit * Fraction(over)) if given is None else given
        if over:
            self.owed, self.owed_value = self.owed + over, self.owed_value + max(cost - taken, D(0))
        elif not self.layered and self.heap:
            self.heap[0][2] = max(value - cost, D(0))
        self.variance += value - cost - self.value
        return cost, parts

    def restore(self, tag: str, quantity: Decimal, value: Decimal, parts: list[list[Any]]) -> None:
        """What went out comes back to where it was."""
        if not self.layered or self.owed or sum((part[1] for part in parts), D(0)) != quantity:
            self.come(tag, quantity, value)
            return
        for name, amount, worth in parts:
            row = next((row for row in self.heap if row[0] == name), None)
            if row is None:
                self.heap.append([name, amount, worth])
            else:
                row[1], row[2] = row[1] + amount, row[2] + worth
        self.heap.sort(key=lambda row: int(row[0]))
