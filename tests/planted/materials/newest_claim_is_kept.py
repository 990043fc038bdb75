"""Of claims with the same priority the oldest is broken first."""

from collections.abc import Iterable

from services.materials.rules import breaking
from tests.planted.planting import replace

RULE = "MAT-77"


def plant() -> None:
    def by_age(claims: Iterable[breaking.Claim]) -> list[breaking.Claim]:
        return sorted(claims, key=lambda row: (-row.priority, row.made, row.reservation))

    replace(breaking, "order", by_age)
