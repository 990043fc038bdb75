"""Supply that is late is not counted any more."""

from dataclasses import replace as with_

from services.materials.rules import replenishment
from services.materials.rules.replenishment import Facts, Parameters, Verdict
from tests.planted.planting import replace

RULE = "MAT-164"


def plant() -> None:
    original = replenishment.evaluate

    def hasty(given: Parameters, facts: Facts) -> Verdict:
        return original(with_(given, exclude_overdue=True), facts)

    replace(replenishment, "evaluate", hasty)
