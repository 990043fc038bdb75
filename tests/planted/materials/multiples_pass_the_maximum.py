"""Multiples are rounded up although the maximum caps them."""

from dataclasses import replace as with_
from decimal import Decimal

from services.materials.rules import replenishment
from services.materials.rules.replenishment import Parameters
from tests.planted.planting import replace

RULE = "MAT-166"


def plant() -> None:
    original = replenishment.rounded

    def up(raw: Decimal, given: Parameters) -> Decimal:
        return original(raw, with_(given, cap_at_max=False))

    replace(replenishment, "rounded", up)
