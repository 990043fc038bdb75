"""A back-test: days of the past played again under the parameters of a revision (MAT-163).

Demand is what was claimed and issued, each known from the day on which it was recorded; what is asked for comes after
the lead time. Stock begins as it was known, with nothing ordered.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

from services.materials.rules import replenishment
from services.materials.rules.replenishment import Facts, Method, Parameters, Supply, SupplyKind

ZERO = Decimal(0)
MONTH = Decimal("30.4375")
"""Days of a mean month."""


@dataclass(frozen=True, slots=True)
class Need:
    """Demand of a day, known from another one on, in the base unit."""

    known: date
    day: date
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class History:
    """What is known of an item at a site; days from `first` up to and without `end`, `unit_value` of a base unit."""

    item: str
    first: date
    end: date
    opening: Decimal
    needs: Sequence[Need] = ()
    unit_value: Decimal = ZERO

    @property
    def days(self) -> int:
        """How many."""
        return (self.end - self.first).days


@dataclass(slots=True)
class Measures:
    """How a revision did: sums, of one item or of many."""

    days: int = 0
    item_days: int = 0
    stock_out_days: int = 0
    needed: Decimal = ZERO
    covered: Decimal = ZERO
    stock_days: Decimal = ZERO
    value_days: Decimal = ZERO
    asked: int = 0

    def __add__(self, other: "Measures") -> "Measures":
        return Measures(
            max(self.days, other.days), self.item_days + other.item_days,
            self.stock_out_days + other.stock_out_days, self.needed + other.needed, self.covered + other.covered,
            self.stock_days + other.stock_days, self.value_days + other.value_days, self.asked + other.asked,
        )  # fmt: skip

    @property
    def fill_rate(self) -> Decimal | None:
        """Units covered from stock on the day of their need ÷ units needed; None where nothing was."""
        return _share(self.covered, self.needed)

    @property
    def mean_quantity(self) -> Decimal:
        """Mean of the stock at the ends of the days, over all items."""
        return _share(self.stock_days, Decimal(self.days)) or ZERO

    @property
    def mean_value(self) -> Decimal:
        """Mean of the value at the ends of the days, over all items."""
        return _share(self.value_days, Decimal(self.days)) or ZERO

    @property
    def needs_per_month(self) -> Decimal:
        """How often something was asked for in a mean month."""
        return _share(self.asked * MONTH, Decimal(self.days)) or ZERO


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    if whole == 0:
        return None
    with localcontext(prec=50):
        return (part / whole).quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)


@dataclass(slots=True)
class _Store:
    """Stock on a day of the play."""

    on_hand: Decimal
    waiting: Decimal = ZERO
    coming: dict[date, Decimal] = field(default_factory=dict)


def run(given: Parameters, history: History, review_days: int = 0) -> Measures:
    """Play the days: goods come, demand is served, the policy is asked at the end of the day."""
    found = Measures(history.days, history.days)
    store = _Store(history.opening)
    by_day = _by_day(history)
    for number in range(history.days):
        today = history.first + timedelta(days=number)
        store.on_hand += store.coming.pop(today, ZERO)
        needed = by_day.get(today, ZERO)
        late = min(store.waiting, store.on_hand)
        store.on_hand -= late
        served = min(needed, store.on_hand)
        store.on_hand -= served
        store.waiting += needed - served - late
        found.needed += needed
        found.covered += served
        found.stock_out_days += store.waiting > 0 and store.on_hand == 0
        if given.method != Method.PERIODIC or number % max(review_days, 1) == 0:
            found.asked += _ask(given, history, store, today)
        found.stock_days += store.on_hand
        found.value_days += store.on_hand * history.unit_value
    return found


def _by_day(history: History) -> Mapping[date, Decimal]:
    """Demand by the day on which it is served: that of its need, or on which it is known where that is later."""
    found: dict[date, Decimal] = {}
    for need in history.needs:
        day = max(need.day, need.known)
        found[day] = found.get(day, ZERO) + need.quantity
    return found


def _ask(given: Parameters, history: History, store: _Store, today: date) -> int:
    supplies = tuple(Supply(SupplyKind.ORDER.value, "", amount, day) for day, amount in sorted(store.coming.items()))
    demand = store.waiting + _ahead(history.needs, today, given.horizon_days)
    verdict = replenishment.evaluate(given, Facts(history.item, today, store.on_hand, demand, supplies))
    if verdict.quantity <= 0:
        return 0
    day = today + timedelta(days=max(given.lead_days, 1))
    store.coming[day] = store.coming.get(day, ZERO) + verdict.quantity
    return 1


def _ahead(needs: Iterable[Need], today: date, horizon: int | None) -> Decimal:
    """Demand that is known today and needed later, within the horizon."""
    last = None if horizon is None else today + timedelta(days=horizon)
    return sum(
        (need.quantity for need in needs if need.known <= today < need.day and (last is None or need.day <= last)),
        ZERO,
    )
