"""The item's own place is chosen without a look at its room."""

from typing import Any

from services.materials.rules import put_away
from services.materials.rules.put_away import Asked, Place, Step
from tests.planted.planting import replace

RULE = "MAT-100"


def plant() -> None:
    original: Any

    def plan(steps: Any, asked: Asked, places: Any, *, first: bool = False) -> Any:
        rows = list(places)
        found = original(steps, asked, rows, first=first)
        own: list[Place] = [row for row in rows if row.name == asked.fixed_location and not asked.goods.handling_unit]
        found.candidates[:0] = [(row, Step.FIXED_BIN) for row in own]
        return found

    original = replace(put_away, "plan", plan)
