"""When stock is asked for: one position formula for all methods (MAT-164, MAT-165)."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Position:
    """What counts at an instant, in the base unit."""

    on_hand: Decimal
    inspection: Decimal
    requested: Decimal
    ordered: Decimal
    demand: Decimal

    @property
    def total(self) -> Decimal:
        """Usable stock + supply still to come - open demand (MAT-164)."""
        return self.on_hand + self.inspection + self.requested + self.ordered - self.demand

    def words(self) -> list[str]:
        """The parts of the position in words."""
        return [
            f"on hand {plain(self.on_hand)}", f"in inspection {plain(self.inspection)}",
            f"asked for {plain(self.requested)}", f"ordered {plain(self.ordered)}",
            f"open demand {plain(self.demand)}", f"position {plain(self.total)}",
        ]  # fmt: skip


def plain(value: Decimal) -> str:
    """A quantity as people write it, without trailing zeros."""
    return format(value.normalize(), "f")


def needed(kind: str, position: Position, reorder_point: Decimal, order_quantity: Decimal, maximum: Decimal) -> Decimal:
    """Quantity to ask for; 0 while the position is above the point.

    REORDER_POINT: position <= R asks for Q, as often as needed to come above R. MIN_MAX: position < min asks
    for max - position.
    """
    if kind == "MIN_MAX":
        return maximum - position.total if position.total < reorder_point else Decimal(0)
    if position.total > reorder_point:
        return Decimal(0)
    missing = reorder_point - position.total
    times = missing // order_quantity + 1
    return order_quantity * times
