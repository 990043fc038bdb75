"""Which stock a claim takes, in which order, and why other stock is passed over (MAT-85 .. MAT-89)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

ZERO = Decimal(0)


class Key(StrEnum):
    """What stock is ordered by; ascending unless said otherwise.

    FULL_UNIT_FIRST: what fills a handling unit that is needed whole. LEAST_FRAGMENTS: the largest free quantity.
    EMPTY_BIN_FIRST: what leaves its place empty. DISTANCE: along the path, from where it is brought to.
    """

    EXPIRY = "EXPIRY"
    RECEIPT_AGE = "RECEIPT_AGE"
    FULL_UNIT_FIRST = "FULL_UNIT_FIRST"
    LEAST_FRAGMENTS = "LEAST_FRAGMENTS"
    EMPTY_BIN_FIRST = "EMPTY_BIN_FIRST"
    PATH = "PATH"
    DISTANCE = "DISTANCE"


class Why(StrEnum):
    """Why stock is passed over (MAT-88)."""

    WRONG_STATUS = "WRONG_STATUS"
    HELD = "HELD"
    LOCKED = "LOCKED"
    OTHER_OWNER = "OTHER_OWNER"
    OTHER_LOT = "OTHER_LOT"
    OTHER_UNIT_OF_MEASURE = "OTHER_UNIT_OF_MEASURE"
    EXPIRES_BEFORE_THE_NEED = "EXPIRES_BEFORE_THE_NEED"
    CLAIMED = "CLAIMED"
    UNIT_IS_NOT_BROKEN = "UNIT_IS_NOT_BROKEN"
    NOT_NEEDED = "NOT_NEEDED"


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One key of an order."""

    key: Key
    descending: bool = False


FEFO = (OrderKey(Key.EXPIRY), OrderKey(Key.RECEIPT_AGE), OrderKey(Key.LEAST_FRAGMENTS), OrderKey(Key.PATH))
"""First expired, first out: the order without a policy."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a policy says; without a revision, what holds without a policy.

    `window_hours` before the need a claim takes stock, at once for None. `soft_life_hours` after it was made a claim
    that holds no stock expires.
    """

    revision: str = ""
    order: Sequence[OrderKey] = FEFO
    window_hours: int | None = None
    soft_life_hours: int | None = None
    minimum_lives: Mapping[str, int] = field(default_factory=dict)
    keep_units_whole: bool = False
    honour_pegging: bool = False
    refuse_alternates: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """What a reservation still needs, in the base unit, on a day of the plant.

    `life_days` have to be left of the stock's life then; `path` is where on the path it is brought to.
    """

    reservation: str
    needed: Decimal
    unit_code: str
    day: date
    life_days: int | None = None
    lot: str = ""
    owner: str = ""
    path: int | None = None


@dataclass(slots=True)
class Candidate:
    """Stock of one balance; `free` is what nobody has claimed, in the base unit.

    `life_days` have to be left of its life on the day of the need, unless the demand says otherwise. `unit_quantity`
    is all that its handling unit holds, `place_quantity` all of the item at its place.
    """

    balance: str
    location: str
    lot: str
    free: Decimal
    unit_code: str = ""
    expires: date | None = None
    received: datetime | None = None
    path: int = 0
    life_days: int = 0
    serial: str = ""
    status: str = "UNRESTRICTED"
    owner: str = ""
    held_by: str = ""
    locked: str = ""
    handling_unit: str = ""
    unbreakable: bool = False
    unit_quantity: Decimal = ZERO
    place_quantity: Decimal = ZERO

    def usable(self, day: date, life_days: int | None = None) -> bool:
        """Whether it may be used on a day, with life left; the expiry date is the last usable one (MAT-86, 87)."""
        left = self.life_days if life_days is None else life_days
        return self.expires is None or (self.expires - day).days >= left


@dataclass(slots=True)
class Plan:
    """What a demand takes of which stock, and what is passed over."""

    demand: Demand
    taken: list[tuple[Candidate, Decimal]] = field(default_factory=list)
    passed: list[tuple[Candidate, Why]] = field(default_factory=list)


_RANKS: Mapping[Key, Callable[[Candidate, Demand], Any]] = {
    Key.EXPIRY: lambda row, _: (row.expires or date.max).toordinal(),
    Key.RECEIPT_AGE: lambda row, _: row.received.timestamp() if row.received else float("inf"),
    Key.FULL_UNIT_FIRST: lambda row, demand: 0 if _whole(row) and row.free <= demand.needed else 1,
    Key.LEAST_FRAGMENTS: lambda row, _: -row.free,
    Key.EMPTY_BIN_FIRST: lambda row, demand: 0 if row.place_quantity == row.free <= demand.needed else 1,
    Key.PATH: lambda row, _: row.path,
    Key.DISTANCE: lambda row, demand: abs(row.path - (demand.path or 0)),
}


def _whole(row: Candidate) -> bool:
    return row.handling_unit != "" and row.free == row.unit_quantity


def order(candidates: Iterable[Candidate], demand: Demand, keys: Sequence[OrderKey] = FEFO) -> list[Candidate]:
    """By the keys, what has no expiry or age last either way; the name breaks ties."""
    return sorted(candidates, key=lambda row: ([_rank(row, demand, each) for each in keys], row.balance))


def _rank(row: Candidate, demand: Demand, each: OrderKey) -> tuple[bool, Any]:
    unknown = (each.key is Key.EXPIRY and row.expires is None) or (each.key is Key.RECEIPT_AGE and row.received is None)
    value = _RANKS[each.key](row, demand)
    return unknown, -value if each.descending and not unknown else value


def refusal(row: Candidate, demand: Demand) -> Why | None:
    """Why a claim may never take of it (MAT-88)."""
    if row.status != "UNRESTRICTED":
        return Why.WRONG_STATUS
    if row.held_by:
        return Why.HELD
    if row.locked:
        return Why.LOCKED
    if row.owner != demand.owner:
        return Why.OTHER_OWNER
    if demand.lot and row.lot != demand.lot:
        return Why.OTHER_LOT
    if row.unit_code != demand.unit_code:
        return Why.OTHER_UNIT_OF_MEASURE
    if not row.usable(demand.day, demand.life_days):
        return Why.EXPIRES_BEFORE_THE_NEED
    return Why.CLAIMED if row.free <= 0 else None


def plan(candidates: Iterable[Candidate], demand: Demand, rules: Rules | None = None) -> Plan:
    """How much to take of which stock: never more than is free or needed; `free` keeps what is left.

    What is in a handling unit that is not broken is taken with all that is in it, or not at all.
    """
    rules = rules or Rules()
    found, needed = Plan(demand), demand.needed
    fitting = []
    for row in candidates:
        why = refusal(row, demand)
        if why is None:
            fitting.append(row)
        else:
            found.passed.append((row, why))
    for row in order(fitting, demand, rules.order):
        amount = min(needed, row.free)
        if amount <= 0:
            found.passed.append((row, Why.NOT_NEEDED))
        elif row.handling_unit and (row.unbreakable or rules.keep_units_whole) and amount != row.unit_quantity:
            found.passed.append((row, Why.UNIT_IS_NOT_BROKEN))
        else:
            found.taken.append((row, amount))
            row.free -= amount
            needed -= amount
    found.passed.sort(key=lambda each: each[0].balance)
    return found
