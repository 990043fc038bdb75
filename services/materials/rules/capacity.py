"""Whether goods fit into a place: what may be there, what may lie together, how much (MAT-32, MAT-33).

Content is what is there and what open tasks bring. The database judges each posting by the same rule
(capacity_refusal), in the same order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)
DIMENSIONS = ("items", "lots", "owners", "statuses")


@dataclass(frozen=True, slots=True)
class Goods:
    """Goods at a place, on their way there (`coming`), or looking for one; weight in KGM, volume in LTR, of all.

    `handling_unit` is the outermost one around them, which stands on a position.
    """

    item: str
    quantity: Decimal
    unit_code: str = ""
    lot: str = ""
    owner: str = ""
    status: str = "UNRESTRICTED"
    handling_unit: str = ""
    handling_unit_type: str = ""
    item_class: str = ""
    weight: Decimal = ZERO
    volume: Decimal = ZERO
    coming: bool = False

    def differs(self, other: "Goods", dimension: str) -> tuple[str, str] | None:
        """What is different in a dimension; different lots are of one item."""
        if dimension == "lots" and self.item != other.item:
            return None
        name = {"items": "item", "lots": "lot", "owners": "owner", "statuses": "status"}[dimension]
        here, asked = getattr(self, name), getattr(other, name)
        return None if here == asked else (here, asked)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a place may hold; None and empty limit nothing."""

    max_weight: Decimal | None = None
    max_volume: Decimal | None = None
    max_handling_units: int | None = None
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    item_classes: frozenset[str] = frozenset()
    handling_unit_types: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()
    """Dimensions of which only one may be there."""


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """Such goods are not for this place."""

    limit: str
    asked: str


@dataclass(frozen=True, slots=True)
class Mixed:
    """They may not lie beside what is there or on its way."""

    dimension: str
    here: str
    asked: str


@dataclass(frozen=True, slots=True)
class Exceeded:
    """More than the place takes."""

    limit: str
    most: Decimal
    here: Decimal
    coming: Decimal
    asked: Decimal
    unit_code: str


Refusal = NotAllowed | Mixed | Exceeded


def refusal(limits: Limits, content: Iterable[Goods], asked: Goods) -> Refusal | None:
    """Why the goods do not fit; None when they do."""
    if limits.item_classes and asked.item_class not in limits.item_classes:
        return NotAllowed("item_classes", asked.item_class)
    if (
        asked.handling_unit
        and limits.handling_unit_types
        and asked.handling_unit_type not in limits.handling_unit_types
    ):
        return NotAllowed("handling_unit_types", asked.handling_unit_type)
    rows = list(content)
    for dimension in DIMENSIONS:
        if dimension in limits.apart:
            other = sorted(pair for row in rows if (pair := row.differs(asked, dimension)))
            if other:
                return Mixed(dimension, *other[0])
    known = {row.handling_unit for row in rows}
    one = Decimal(bool(asked.handling_unit) and asked.handling_unit not in known)
    for limit, most, values, more, unit_code in (
        ("max_weight", limits.max_weight, [(row.weight, row.coming) for row in rows], asked.weight, "KGM"),
        ("max_volume", limits.max_volume, [(row.volume, row.coming) for row in rows], asked.volume, "LTR"),
        ("max_handling_units", limits.max_handling_units, _units(rows), one, "H87"),
        (
            "item_limits", limits.quantities.get(asked.item),
            [(row.quantity, row.coming) for row in rows if row.item == asked.item], asked.quantity, asked.unit_code,
        ),
    ):  # fmt: skip
        if most is None or more <= 0:
            continue
        here = sum((value for value, coming in values if not coming), ZERO)
        coming = sum((value for value, coming in values if coming), ZERO)
        if here + coming + more > most:
            return Exceeded(limit, Decimal(most), here, coming, more, unit_code)
    return None


def _units(rows: Iterable[Goods]) -> list[tuple[Decimal, bool]]:
    return [(Decimal(1), coming) for unit, coming in {(row.handling_unit, row.coming) for row in rows} if unit]
