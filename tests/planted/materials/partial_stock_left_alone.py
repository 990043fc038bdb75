"""A claim takes all or nothing."""

from typing import Any

from services.materials.rules import allocation, decisions
from services.materials.rules.allocation import Demand, Plan
from tests.planted.planting import replace

RULE = "MAT-71"


def plant() -> None:
    original = allocation.plan

    def whole(candidates: Any, demand: Demand, rules: Any) -> Plan:
        free = {row.balance: row.free for row in candidates}
        found = original(candidates, demand, rules)
        if sum(amount for _, amount in found.taken) < demand.needed:
            found.taken.clear()
            for row in candidates:
                row.free = free[row.balance]
        return found

    replace(decisions, "plan", whole)
