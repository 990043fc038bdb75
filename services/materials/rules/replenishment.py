"""When stock is asked for: one position formula for all methods (MAT-164 .. MAT-166)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from services.materials.rules.decisions import plain, plain_row, read_row

ZERO = Decimal(0)


class Method(StrEnum):
    """How a policy asks."""

    REORDER_POINT = "REORDER_POINT"
    MIN_MAX = "MIN_MAX"
    PERIODIC = "PERIODIC"
    PICK_FACE = "PICK_FACE"
    KANBAN = "KANBAN"


BY_POSITION = frozenset({Method.REORDER_POINT, Method.MIN_MAX, Method.PERIODIC})
"""Methods that look after the stock of a site."""


class SupplyKind(StrEnum):
    """What brings supply that is still to come."""

    INSPECTION = "INSPECTION"
    REQUEST = "REQUEST"
    REQUISITION = "REQUISITION"
    ORDER = "ORDER"
    TRANSFER = "TRANSFER"
    PRODUCTION = "PRODUCTION"
    TASK = "TASK"


PROMISED = frozenset({SupplyKind.ORDER, SupplyKind.TRANSFER, SupplyKind.PRODUCTION})
"""Supply that somebody promised for a day, and that may be late."""


@dataclass(frozen=True, slots=True)
class Supply:
    """Supply still to come, in the base unit; `expected` is the promised day."""

    kind: str
    resource: str
    quantity: Decimal
    expected: date | None = None


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a revision says, for one item; quantities in its base unit on its grid `step`."""

    revision: str
    method: str
    reorder_point: Decimal
    order_quantity: Decimal = ZERO
    maximum: Decimal = ZERO
    multiple: Decimal = ZERO
    cap_at_max: bool = False
    lead_days: int = 0
    horizon_days: int | None = None
    exclude_overdue: bool = False
    delay_days: int = 0
    outcome: str = "BUY"
    source_site: str = ""
    step: Decimal = Decimal(1)
    unit_code: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an item at a site on a day of its zone; demand within the horizon."""

    item: str
    day: date
    on_hand: Decimal
    demand: Decimal
    supplies: Sequence[Supply] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """Supply as a policy counts it: expected later where it is late."""

    supply: Supply
    expected: date | None
    late: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is asked for, 0 for nothing, and from what that follows."""

    on_hand: Decimal
    counted: Sequence[Counted]
    left_out: Sequence[Counted]
    demand: Decimal
    needed: Decimal
    quantity: Decimal
    need_date: date

    def supply(self, *kinds: SupplyKind) -> Decimal:
        """Supply that counts, of some kinds or all."""
        rows = (row.supply for row in self.counted)
        return sum((row.quantity for row in rows if not kinds or row.kind in kinds), ZERO)

    @property
    def position(self) -> Decimal:
        """Usable stock + supply still to come - open demand (MAT-164)."""
        return self.on_hand + self.supply() - self.demand

    @property
    def expedite(self) -> list[Counted]:
        """Supply that is late."""
        return [row for row in (*self.counted, *self.left_out) if row.late]


def evaluate(given: Parameters, facts: Facts) -> Verdict:
    """What a policy asks for; the same from the same inputs (MAT-162)."""
    rows = [_counted(given, facts.day, supply) for supply in facts.supplies]
    left_out = [row for row in rows if row.late and given.exclude_overdue]
    counted = [row for row in rows if not (row.late and given.exclude_overdue)]
    position = facts.on_hand + sum((row.supply.quantity for row in counted), ZERO) - facts.demand
    raw = needed(given.method, position, given.reorder_point, given.order_quantity, given.maximum)
    return Verdict(
        facts.on_hand, counted, left_out, facts.demand, raw, rounded(raw, given),
        facts.day + timedelta(days=given.lead_days),
    )  # fmt: skip


def _counted(given: Parameters, day: date, supply: Supply) -> Counted:
    late = supply.kind in PROMISED and supply.expected is not None and supply.expected < day
    expected = day + timedelta(days=given.delay_days) if late else supply.expected
    return Counted(supply, expected, late)


def needed(
    method: str, position: Decimal, reorder_point: Decimal, order_quantity: Decimal, maximum: Decimal
) -> Decimal:
    """Quantity to ask for before multiples; 0 while nothing is needed (MAT-165).

    REORDER_POINT: position <= R asks for Q, as often as needed to come above R. MIN_MAX: position < min asks
    for max - position; PICK_FACE likewise, of a place (MAT-171). PERIODIC, at its review: asks for max - position.
    KANBAN: asks for what empty cards stand for, which is all that its position holds (MAT-170).
    """
    if method == Method.KANBAN:
        return max(-position, ZERO)
    if method == Method.PERIODIC:
        return max(maximum - position, ZERO)
    if method in (Method.MIN_MAX, Method.PICK_FACE):
        return maximum - position if position < reorder_point else ZERO
    if position > reorder_point:
        return ZERO
    return order_quantity * ((reorder_point - position) // order_quantity + 1)


def rounded(raw: Decimal, given: Parameters) -> Decimal:
    """A need in whole multiples, up, or down where the maximum caps it; else up to the grid (MAT-166)."""
    if raw <= 0:
        return ZERO
    grid = given.multiple or given.step
    whole = raw // grid * grid
    if whole == raw or (given.multiple and given.cap_at_max):
        return whole
    return whole + grid


def record(given: Parameters, facts: Facts) -> dict[str, Any]:
    """All that the outcome depends on, as plain values."""
    return {
        "parameters": plain_row(given),
        "facts": {**plain_row(facts), "supplies": [plain_row(row) for row in facts.supplies]},
    }


def outcome(given: Parameters, found: Verdict) -> dict[str, Any]:
    """What came out, as plain values."""
    return {
        "position": plain(found.position),
        "needed": plain(found.needed),
        "quantity": plain(found.quantity),
        "need_date": found.need_date.isoformat(),
        "outcome": given.outcome,
        "source_site": given.source_site,
        "expedite": [row.supply.resource for row in found.expedite],
    }


def read(recorded: Mapping[str, Any]) -> tuple[Parameters, Facts]:
    """Recorded inputs."""
    facts = dict(recorded["facts"])
    facts["supplies"] = tuple(read_row(Supply, row) for row in facts["supplies"])
    return read_row(Parameters, recorded["parameters"]), read_row(Facts, facts)


def replay(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome of recorded inputs."""
    given, facts = read(recorded)
    return outcome(given, evaluate(given, facts))


_DEMANDS: Mapping[str, str] = {Method.PICK_FACE: "open picks", Method.KANBAN: "empty containers"}


def words(given: Parameters, found: Verdict) -> list[str]:
    """The parts of the position and what follows, in words."""
    parts = [
        f"on hand {plain(found.on_hand)}",
        *(
            f"{name} {plain(found.supply(*kinds))}"
            for name, kinds in (
                ("in inspection", (SupplyKind.INSPECTION,)),
                ("asked for", (SupplyKind.REQUEST, SupplyKind.REQUISITION)),
                ("ordered", (SupplyKind.ORDER,)),
                ("under way", (SupplyKind.TRANSFER,)),
                ("being made", (SupplyKind.PRODUCTION,)),
            )
            if given.method in BY_POSITION
        ),
        *([f"on tasks {plain(found.supply())}"] if given.method == Method.PICK_FACE else []),
        f"{_DEMANDS.get(given.method, 'open demand')} {plain(found.demand)}",
        f"position {plain(found.position)}",
    ]
    parts += [f"late: {row.supply.resource}, {plain(row.supply.quantity)}" for row in found.expedite]
    if given.method not in (Method.PERIODIC, Method.KANBAN):
        parts.append(f"reorder point {plain(given.reorder_point)}")
    if found.needed != found.quantity:
        grid = given.multiple or given.step
        parts.append(f"{plain(found.needed)} in multiples of {plain(grid)} is {plain(found.quantity)}")
    return [*parts, f"{given.method} asks for {plain(found.quantity)}"]
