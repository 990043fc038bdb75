"""Work falls due behind its threshold and not at it."""

from decimal import Decimal
from typing import Any

from services.maintenance.rules import due
from tests.planted.planting import replace

RULE = "MNT-121"


def plant() -> None:
    def crossed(
        anchor: Decimal, interval: Decimal, next_number: int, usage: Decimal, lead: Decimal, most: int = 1000
    ) -> Any:
        found = []
        number = next_number
        while due.threshold(anchor, interval, number) - lead < usage:
            found.append(due.Due(number, usage=due.threshold(anchor, interval, number)))
            number += 1
        return found, number

    replace(due, "meter_crossed", crossed)
