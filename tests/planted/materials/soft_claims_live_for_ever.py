"""Soft claims do not expire."""

from typing import Any

from services.materials.model.reservation import Reservation
from tests.planted.planting import replace

RULE = "MAT-76"


def plant() -> None:
    original = Reservation.schedule

    def schedule(self: Any, rules: Any, now: Any) -> None:
        original(self, rules, now)
        self.expire_time = None

    replace(Reservation, "schedule", schedule)
