"""A claim takes all or nothing."""

from datetime import date
from decimal import Decimal
from typing import Any

from services.materials.rules import allocation
from tests.planted.planting import replace

RULE = "MAT-71"


def plant() -> None:
    original = allocation.plan

    def whole(candidates: Any, needed: Decimal, day: date) -> Any:
        found = original(candidates, needed, day)
        return found if sum((amount for _, amount in found), Decimal(0)) == needed else []

    replace(allocation, "plan", whole)
