"""What an expected receipt brings is short all the same."""

from typing import Any

from services.materials.model.reservation import Reservation
from tests.planted.planting import replace

RULE = "MAT-71"


def plant() -> None:
    def cover_by(self: Any, cover: Any, supply: str = "", expected_date: Any = None) -> None:
        self.cover, self.supply, self.expected_date = cover, supply, expected_date

    replace(Reservation, "cover_by", cover_by)
