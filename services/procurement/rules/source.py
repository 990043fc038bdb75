"""Who supplies: by rank or by the lowest total; every candidate passed over has its reason (PRC-32)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from services.procurement.rules.price import NoPrice, Price, Terms, plain, quote

LAST = 10**9
"""Where rank 0 stands: behind all ranks."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One supplier item that may supply; `factor` = base units per order unit, `excluded` = why it may not."""

    name: str
    supplier: str
    rank: int
    factor: Fraction
    terms: Terms
    lead_days: int
    excluded: str = ""


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
    found = quote(candidate.terms, Fraction(need) / candidate.factor, day)
    return Offer(candidate, found.quantity, found.price, found.total, day + timedelta(days=candidate.lead_days))


def choose(candidates: Sequence[Candidate], need: Decimal, day: date, how: str) -> Choice:
    """RANK takes the first in rank, CHEAPEST the lowest total; total and name break ties (PRC-32).

    Totals of several currencies are not compared (PRC-5): CHEAPEST keeps to the currency of the first in rank.
    """
    words: list[str] = []
    offers: list[Offer] = []
    for candidate in sorted(candidates, key=lambda c: c.name):
        if candidate.excluded:
            words.append(f"{candidate.name} passed over: {candidate.excluded}")
            continue
        try:
            offers.append(offer_of(candidate, need, day))
        except NoPrice as error:
            words.append(f"{candidate.name} passed over: {error}")
    offers.sort(key=lambda offer: (offer.candidate.rank or LAST, offer.total, offer.candidate.name))
    if how == "CHEAPEST" and offers:
        currency = offers[0].candidate.terms.currency_code
        same = [offer for offer in offers if offer.candidate.terms.currency_code == currency]
        words += [
            f"{offer.candidate.name} passed over: {offer.candidate.terms.currency_code} is not compared with {currency}"
            for offer in offers
            if offer not in same
        ]
        offers = sorted(same, key=lambda offer: (offer.total, offer.candidate.rank or LAST, offer.candidate.name))
    for offer in offers[1:]:
        words.append(f"{offer.candidate.name} passed over: {_terms(offer)}")
    if not offers:
        return Choice(None, [*words, "nobody can supply it"])
    best = offers[0]
    return Choice(best, [*words, f"{best.candidate.name} chosen by {how}: {_terms(best)}"])


def _terms(offer: Offer) -> str:
    rank = f"rank {offer.candidate.rank}" if offer.candidate.rank else "no rank"
    total = f"{plain(offer.total)} {offer.candidate.terms.currency_code}"
    return f"{rank}, {plain(offer.quantity)} for {total}, there on {offer.arrival}"
