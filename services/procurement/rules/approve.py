"""Who says yes: tiers by value; an automatic rule only where a policy says so explicitly (PRC-65, PRC-70)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Tier:
    """Documents up to a net value, decided by the rule itself or by a person."""

    up_to: Decimal
    automatic: bool


@dataclass(frozen=True, slots=True)
class Route:
    """The way of a document: automatic, or by a person; with the reason."""

    automatic: bool
    explanation: str


def route(tiers: Sequence[Tier], amount: Decimal, rolling: Decimal) -> Route:
    """Level from the greatest of the document and the rolling total, so that splitting does not help (SEC-29)."""
    measured = max(amount, rolling)
    for tier in sorted(tiers, key=lambda tier: tier.up_to):
        if measured <= tier.up_to:
            who = "approved by the rule" if tier.automatic else "a person decides"
            return Route(tier.automatic, f"{measured} is at most {tier.up_to}: {who}")
    return Route(False, f"{measured} is above all tiers: a person decides")
