"""Who says yes: levels by value and by rolling totals, so that splitting does not help (PRC-65, PRC-70, SEC-29)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.procurement.rules.price import plain

ZERO = Decimal(0)
TOP = 10**9
"""A level that nobody has: its total is never started anew."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Documents up to a net value, decided by the rule itself or by a person."""

    up_to: Decimal
    automatic: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """A document decided within the window: net value, level, by the rule itself or not, same requester or not."""

    amount: Decimal
    level: int
    automatic: bool
    same_requester: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """The way of a document: its level from 1, whether the rule itself decides, and the reason in words."""

    level: int
    automatic: bool
    explanation: str


def rolling(history: Sequence[Decided], level: int, automatic: bool = False) -> Decimal:
    """Total that counts beside a document at a level; `history` oldest first.

    A person's decision above the level starts it anew. What a rule decided counts for the rule's own limit
    alone; there it counts for all requesters.
    """
    total = ZERO
    for past in history:
        if not (automatic or past.same_requester):
            continue
        if past.automatic:
            total += past.amount if automatic else ZERO
        elif past.level > level:
            total = ZERO
        else:
            total += past.amount
    return total


def route(tiers: Sequence[Tier], amount: Decimal, history: Sequence[Decided]) -> Route:
    """Level of a document: one above the highest tier that its total exceeds; at most = within (PRC-70)."""
    ordered = sorted(tiers, key=lambda tier: tier.up_to)
    totals = [amount + rolling(history, level, tier.automatic) for level, tier in enumerate(ordered, 1)]
    level = 1 + max((place for place, tier in enumerate(ordered, 1) if totals[place - 1] > tier.up_to), default=0)
    if level > len(ordered):
        reason = f"{plain(totals[-1])} is above all tiers" if ordered else "there are no tiers"
        return Route(level, False, f"level {level}: {reason}: a person decides")
    tier = ordered[level - 1]
    who = "approved by the rule" if tier.automatic else "a person decides"
    return Route(
        level, tier.automatic, f"level {level}: {plain(totals[level - 1])} is at most {plain(tier.up_to)}: {who}"
    )


def under_ceiling(amount: Decimal, history: Sequence[Decided]) -> Decimal:
    """What a ceiling is compared with: the document and all of the window that persons decided (SEC-29)."""
    return amount + rolling(history, TOP)
