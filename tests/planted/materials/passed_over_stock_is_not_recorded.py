"""A decision does not say why stock was passed over."""

from typing import Any

from services.materials.rules import decisions
from tests.planted.planting import replace

RULE = "MAT-89"


def plant() -> None:
    original = decisions.record

    def silent(demands: Any, candidates: Any, rules: Any) -> Any:
        plans, inputs, outcome = original(demands, candidates, rules)
        for row in outcome["demands"]:
            row["passed_over"] = []
        return plans, inputs, outcome

    replace(decisions, "record", silent)
