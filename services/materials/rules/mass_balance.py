"""The mass balance of a lot: all that came is somewhere (MAT-137)."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal(0)
CAME = ("opened", "received", "produced", "adjusted")
WENT = ("on_hand", "in_transit", "in_process", "shipped", "consumed", "scrapped", "returned")
FIELDS = ("opened", "received", "produced", *WENT, "adjusted")


@dataclass(slots=True)
class MassBalance:
    """Quantities in the base unit; `adjusted` is signed, what counts found being positive."""

    opened: Decimal = ZERO
    received: Decimal = ZERO
    produced: Decimal = ZERO
    on_hand: Decimal = ZERO
    in_transit: Decimal = ZERO
    in_process: Decimal = ZERO
    shipped: Decimal = ZERO
    consumed: Decimal = ZERO
    scrapped: Decimal = ZERO
    returned: Decimal = ZERO
    adjusted: Decimal = ZERO

    @property
    def gap(self) -> Decimal:
        """What came and is nowhere; negative = more is there than came."""
        return sum((getattr(self, name) for name in CAME), ZERO) - sum((getattr(self, name) for name in WENT), ZERO)


Row = tuple[str, str, bool, Decimal]
"""Kind of the place, kind of the movement ("" = what is there), whether it left the plant, quantity at the place.

What came back by a reversal is a negative quantity of the direction of the movement that was reversed.
"""


def balanced(rows: Iterable[Row]) -> MassBalance:
    """The balance of a lot from what is at real places and what went to and came from virtual ones."""
    found = MassBalance()
    for place, kind, out, quantity in rows:
        name, sign = _term(place, kind, out)
        if name:
            setattr(found, name, getattr(found, name) + sign * quantity)
    return found


def _term(place: str, kind: str, out: bool) -> tuple[str, int]:
    if not kind:
        return {"TRANSIT": "in_transit", "WIP": "in_process"}.get(place, "on_hand"), 1
    if place == "SUPPLIER":
        return ("returned", 1) if kind == "RETURN_TO_SUPPLIER" else ("received", -1)
    if place == "PRODUCTION":
        return ("consumed", 1) if out else ("produced", -1)
    return {
        "OPENING": ("opened", -1), "CONSUMED": ("consumed", 1), "SCRAP": ("scrapped", 1),
        "ADJUSTMENT": ("adjusted", -1), "CUSTOMER": ("shipped", 1), "INTER_SITE": ("in_transit", 1),
    }.get(place, ("", 0))  # fmt: skip
