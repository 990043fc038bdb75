"""Somebody may call as often as they like."""

from gateway.rates import Rates
from tests.planted.planting import replace

RULE = "REL-76"


def plant() -> None:
    replace(Rates, "take", lambda self, principal: None)
