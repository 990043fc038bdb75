"""Segregation of duties: two duties of a pair, two persons, through whatever they act for (SEC-27, SEC-28)."""

from collections.abc import Iterable

from services.chassis.access import Caller
from services.chassis.faults import SegregationOfDuties


def persons(caller: Caller) -> list[str]:
    """Who acts, and for whom: an act for somebody counts for both."""
    return [name for name in (caller.name, caller.on_behalf_of) if name]


def keep_apart(duty: str, earlier: Iterable[str], now: Iterable[str]) -> None:
    """SegregationOfDuties when somebody who acts now did the earlier duty."""
    both = sorted(set(earlier) & set(now) - {""})
    if both:
        raise SegregationOfDuties(duty=duty, earlier_act=both[0])


def joined(known: Iterable[str], more: Iterable[str]) -> list[str]:
    """Names in their order, each once."""
    return list(dict.fromkeys([*known, *more]))
