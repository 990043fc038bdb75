"""The position does not count open demand."""

from dataclasses import replace as changed
from typing import Any

from services.materials.rules import replenishment
from tests.planted.planting import replace

RULE = "MAT-164"


def plant() -> None:
    evaluate: Any = replenishment.evaluate

    def without_demand(given: Any, facts: Any) -> Any:
        return evaluate(given, changed(facts, demand=replenishment.ZERO))

    replace(replenishment, "evaluate", without_demand)
