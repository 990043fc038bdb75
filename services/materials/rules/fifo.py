"""First in, first out: layers by the time they came, each with what is left of it (MAT-183).

The posting function does the same in the database; a test compares both with a third that knows neither.
"""

from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from services.materials.rules import valuation
from services.materials.rules.valuation import Stock

ZERO = Decimal(0)
FIFO = "FIFO"


@dataclass(slots=True)
class Layer:
    """What is left of goods that came in by an entry, or of a part of them."""

    time: datetime
    sequence: int
    part: int
    movement: str
    quantity: Decimal
    value: Decimal

    def __lt__(self, other: "Layer") -> bool:
        return (self.time, self.sequence, self.part) < (other.time, other.sequence, other.part)


@dataclass(slots=True)
class Take:
    """What an entry that took stock out took of a layer; `restored` came back by a reversal."""

    sequence: int
    movement: str
    layer_sequence: int
    layer_part: int
    quantity: Decimal
    value: Decimal
    restored: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Entry:
    """What changed the stock of an item, in the order of replay: signed quantity and value as booked.

    Without quantity it changes value alone, or from then on the `method`. `own` is the movement whose layers it
    concerns first: those that it takes out, or whose cost came later. `parts` are layers that another site sent.
    """

    movement: str
    quantity: Decimal
    value: Decimal
    time: datetime
    sequence: int
    given: bool = False
    reverses: str = ""
    own: str = ""
    parts: Sequence[Layer] = ()
    method: str = ""
    standard_cost: Decimal = ZERO


@dataclass(slots=True)
class Replay:
    """An item's stock while it is replayed: open `layers`, the oldest first, and what took which of them."""

    digits: int = 2
    stock: Stock = field(default_factory=Stock)
    method: str = ""
    layers: list[Layer] = field(default_factory=list)
    takes: list[Take] = field(default_factory=list)
    _known: dict[tuple[int, int], Layer] = field(default_factory=dict)
    _taken: dict[str, list[Take]] = field(default_factory=dict)
    issues: dict[str, None] = field(default_factory=dict)
    costs: dict[str, list[Decimal]] = field(default_factory=dict)

    def run(self, entries: Iterable[Entry]) -> "Replay":
        """All of them, one after the other."""
        for entry in entries:
            if entry.method:
                self._turn(entry)
            elif entry.quantity > 0:
                self._come(entry)
            elif entry.quantity < 0:
                self._go(entry)
            else:
                self._revalue(entry)
        return self

    def _turn(self, entry: Entry) -> None:
        """From now on by another method: what is there becomes one layer, or none."""
        self.method = entry.method
        for layer in self.layers:
            layer.quantity = layer.value = ZERO
        self.layers = []
        if self.method == FIFO and self.stock.quantity > 0:
            self._add(Layer(entry.time, entry.sequence, 0, "", self.stock.quantity, self.stock.value))

    def _add(self, layer: Layer) -> None:
        insort(self.layers, layer)
        self._known[layer.sequence, layer.part] = layer

    def _come(self, entry: Entry) -> None:
        before, known = self.stock.quantity, self.costs.get(entry.reverses)
        back = self._taken_back(entry) if self.method == FIFO else []
        worth = entry.value
        if known:
            worth = known.pop()
        self.stock = valuation.receive(self.stock, entry.quantity, worth, self.digits)
        if self.method != FIFO or self.stock.quantity <= 0:
            return
        if before < 0:
            self._add(Layer(entry.time, entry.sequence, 1, entry.movement, self.stock.quantity, self.stock.value))
            return
        rest, rest_value = entry.quantity, worth
        weight = sum((value for _, _, value in back), ZERO)
        for take, amount, value in back:
            given = rest_value
            if amount < rest:
                given = min(valuation.part(rest_value, value, weight, self.digits), rest_value) if weight > 0 else ZERO
            layer = self._known[take.layer_sequence, take.layer_part]
            if layer.quantity == 0:
                insort(self.layers, layer)
            layer.quantity += amount
            layer.value += given
            take.restored += amount
            rest, rest_value, weight = rest - amount, rest_value - given, weight - value
        if not back and sum((part.quantity for part in entry.parts), ZERO) == entry.quantity:
            for sent in entry.parts:
                self._add(Layer(sent.time, entry.sequence, sent.part, entry.movement, sent.quantity, sent.value))
            rest = ZERO
        if rest > 0:
            self._add(Layer(entry.time, entry.sequence, 1, entry.movement, rest, rest_value))

    def _taken_back(self, entry: Entry) -> list[tuple[Take, Decimal, Decimal]]:
        """What the movement that is reversed took, so much of it as comes back, and its value."""
        rest, found = entry.quantity, []
        for take in sorted(
            self._taken.get(entry.reverses, ()), key=lambda take: (-take.sequence, take.layer_sequence, take.layer_part)
        ):
            amount = min(rest, take.quantity - take.restored)
            if amount > 0:
                found.append((take, amount, take.value * amount / take.quantity))
                rest -= amount
        return found

    def _go(self, entry: Entry) -> None:
        quantity, cost = -entry.quantity, -entry.value
        there = min(quantity, max(self.stock.quantity, ZERO))
        if self.method != FIFO:
            taken = valuation.share(self.stock.value, there, self.stock.quantity, self.digits) if there > 0 else ZERO
        else:
            taken = self._take(entry, there)
        if not entry.given:
            booked, cost = cost, taken
            if quantity > there:
                cost += valuation.missing(self.stock, quantity - there, entry.standard_cost, self.digits)
            if cost != booked:
                self.issues[entry.movement] = None
            self.costs.setdefault(entry.movement, []).append(cost)
        before = self.stock
        self.stock = valuation.take_out(before, quantity, cost)
        if self.method == FIFO and self.stock.quantity > 0:
            left = before.value - taken
            self.stock = Stock(self.stock.quantity, left, before.variance + before.value - cost - left)

    def _take(self, entry: Entry, quantity: Decimal) -> Decimal:
        own, total = entry.reverses or entry.own, ZERO
        mine = [layer for layer in self.layers if layer.movement == own] if own else []
        for layer in (*mine, *(row for row in self.layers if row not in mine)) if mine else self.layers:
            if quantity == 0:
                break
            amount = min(quantity, layer.quantity)
            value = valuation.share(layer.value, amount, layer.quantity, self.digits)
            layer.quantity -= amount
            layer.value -= value
            take = Take(entry.sequence, entry.movement, layer.sequence, layer.part, amount, value)
            self.takes.append(take)
            self._taken.setdefault(entry.movement, []).append(take)
            quantity -= amount
            total += value
        while self.layers and self.layers[0].quantity == 0:
            del self.layers[0]
        if mine:
            self.layers = [layer for layer in self.layers if layer.quantity > 0]
        return total

    def _revalue(self, entry: Entry) -> None:
        wanted = self.stock.value + entry.value
        if self.stock.quantity <= 0:
            value = self.stock.value
        elif self.method != FIFO:
            value = max(wanted, ZERO)
        else:
            value = self.stock.value + revalued(self.layers, entry.value, entry.own, self.digits)
        self.stock = Stock(self.stock.quantity, value, self.stock.variance + wanted - value)


def revalued(layers: Sequence[Layer], amount: Decimal, own: str = "", digits: int = 2) -> Decimal:
    """Change the value of layers, those of a movement if any of it is left; gives by how much they changed.

    The amount is spread by value, or by quantity where there is none; no layer is worth less than nothing.
    """
    mine = [layer for layer in layers if own and layer.movement == own] or list(layers)
    before = sum((layer.value for layer in mine), ZERO)
    after = max(before + amount, ZERO)
    weights = [layer.value if before > 0 else layer.quantity for layer in mine]
    if not mine:
        return ZERO
    for layer, value in zip(mine, valuation.parts(after, weights, digits), strict=True):
        layer.value = value
    return after - before
