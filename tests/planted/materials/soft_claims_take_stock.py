"""A claim takes stock at once, whatever the window of its policy."""

from typing import Any

from services.materials.model.reservation import Reservation
from tests.planted.planting import replace

RULE = "MAT-76"


def plant() -> None:
    def never(self: Any, now: Any) -> bool:
        return False

    replace(Reservation, "soft", never)
