"""A total at exactly the limit goes to the next level."""

from typing import Any

from services.procurement.rules import approve
from tests.planted.planting import replace

RULE = "PRC-70"


def plant() -> None:
    original = approve.route

    def strict(tiers: Any, amount: Any, history: Any) -> Any:
        return original(tiers, amount.next_plus(), history)

    replace(approve, "route", strict)
