"""A month without the day is taken at its last day although the rule leaves it out."""

from datetime import date

from services.maintenance.rules import due
from tests.planted.planting import replace

RULE = "MNT-81"


def plant() -> None:
    original = due.add_months

    def clamped(anchor: date, months: int, rule: str = "CLAMP") -> date | None:
        return original(anchor, months, "CLAMP" if rule == "SKIP" else rule)

    replace(due, "add_months", clamped)
