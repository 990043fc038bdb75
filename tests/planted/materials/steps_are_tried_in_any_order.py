"""The nearest place wins, whichever step finds it."""

from typing import Any

from services.materials.rules import put_away
from tests.planted.planting import replace

RULE = "MAT-100"


def plant() -> None:
    original: Any

    def plan(steps: Any, asked: Any, places: Any, *, first: bool = False) -> Any:
        found = original(steps, asked, places)
        found.candidates.sort(key=lambda each: (each[0].path, each[0].name))
        del found.candidates[1 if first else len(found.candidates) :]
        return found

    original = replace(put_away, "plan", plan)
