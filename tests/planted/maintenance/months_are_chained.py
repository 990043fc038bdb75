"""A month is added to the day before and not to the anchor, so that the 31st is lost."""

from datetime import date

from services.maintenance.rules import due
from tests.planted.planting import replace

RULE = "MNT-80"


def plant() -> None:
    original = due.add_months

    def chained(anchor: date, months: int, rule: str = "CLAMP") -> date | None:
        day: date | None = anchor
        for _ in range(months):
            day = original(day, 1, rule) if day is not None else None
        return day

    replace(due, "add_months", chained)
