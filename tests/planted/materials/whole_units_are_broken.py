"""A claim takes a part of a handling unit that is not broken."""

from typing import Any

from services.materials.rules import allocation, decisions
from tests.planted.planting import replace

RULE = "MAT-88"


def plant() -> None:
    original = allocation.plan

    def broken(candidates: Any, demand: Any, rules: Any) -> Any:
        for row in candidates:
            row.unbreakable = False
        return original(candidates, demand, rules)

    replace(decisions, "plan", broken)
