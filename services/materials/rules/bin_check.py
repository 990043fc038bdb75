"""What a look into the bin after a pick means: zero confirmation (MAT-108)."""

from decimal import Decimal
from enum import StrEnum


class Rest(StrEnum):
    """What a person saw."""

    EMPTY = "EMPTY"
    NOT_EMPTY = "NOT_EMPTY"


class Check(StrEnum):
    """What follows from it."""

    NONE = "NONE"
    ASK = "ASK"
    """The person has to look."""
    CONFIRMED = "CONFIRMED"
    """Empty as the books say: the bin is counted by that."""
    COUNT = "COUNT"
    """Books and bin differ: it has to be counted."""


def check(left: Decimal, seen: Rest | None) -> Check:
    """By what the books leave in the bin after the pick, and what the person saw."""
    if left == 0:
        if seen is None:
            return Check.ASK
        return Check.CONFIRMED if seen is Rest.EMPTY else Check.COUNT
    return Check.COUNT if seen is Rest.EMPTY else Check.NONE
