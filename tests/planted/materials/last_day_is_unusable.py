"""A lot is not used on its expiry date any more."""

from datetime import date
from typing import Any

from services.materials.rules.allocation import Candidate
from tests.planted.planting import replace

RULE = "MAT-86"


def plant() -> None:
    def usable(self: Any, day: date, life_days: int | None = None) -> bool:
        return self.expires is None or self.expires > day

    replace(Candidate, "usable", usable)
