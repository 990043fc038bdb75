"""Who supplies: by rank or by the lowest total; every candidate passed over has its reason (PRC-32)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from services.procurement.rules.price import NoPrice, Price, net, order_quantity, price_of, to_order_unit


@dataclass(frozen=True, slots=True)
class Candidate:
    """One supplier item that may supply."""

    name: str
    supplier: str
    active: bool
    rank: int
    numerator: int
    denominator: int
    minimum: Decimal
    multiple: Decimal
    price_base: Decimal
    prices: Sequence[Price]
    lead_days: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What a candidate would cost for a need."""

    candidate: Candidate
    quantity: Decimal
    price: Price
    total: Decimal
    arrival: date


@dataclass(frozen=True, slots=True)
class Choice:
    """The offer that was chosen, if any, and the reasons in words."""

    offer: Offer | None
    explanation: list[str]


def offer_of(candidate: Candidate, need: Decimal, day: date) -> Offer:
    """Quantity, then break, then lead time (PRC-33); `need` in base units. NoPrice when nothing is valid."""
    in_order_unit = to_order_unit(need, candidate.numerator, candidate.denominator)
    quantity = order_quantity(in_order_unit, candidate.minimum, candidate.multiple)
    price = price_of(candidate.prices, quantity, day)
    total = net(quantity, price.unit_price, candidate.price_base)
    return Offer(candidate, quantity, price, total, day + timedelta(days=candidate.lead_days))


def choose(candidates: Sequence[Candidate], need: Decimal, day: date, how: str) -> Choice:
    """RANK takes the first in rank, CHEAPEST the lowest total; the name breaks ties (PRC-32)."""
    words: list[str] = []
    offers: list[Offer] = []
    for candidate in sorted(candidates, key=lambda c: c.name):
        if not candidate.active:
            words.append(f"{candidate.name} passed over: the supplier is not active")
            continue
        try:
            offers.append(offer_of(candidate, need, day))
        except NoPrice as error:
            words.append(f"{candidate.name} passed over: {error}")
    if how == "CHEAPEST":
        offers.sort(key=lambda offer: (offer.total, offer.candidate.name))
    else:
        offers.sort(key=lambda offer: (offer.candidate.rank or 10**9, offer.total, offer.candidate.name))
    for offer in offers[1:]:
        words.append(f"{offer.candidate.name} passed over: rank {offer.candidate.rank}, total {offer.total}")
    if not offers:
        return Choice(None, [*words, "nobody can supply it"])
    best = offers[0]
    return Choice(best, [*words, f"{best.candidate.name} chosen by {how}: {best.quantity} for {best.total}"])
