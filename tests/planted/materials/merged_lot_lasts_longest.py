"""What is merged may be used as long as its freshest part."""

from collections.abc import Iterable
from datetime import date

from services.materials.rules import lots
from services.materials.rules.lots import Dates
from tests.planted.planting import replace

RULE = "MAT-14"


def plant() -> None:
    def latest(rows: Iterable[Dates]) -> Dates:
        return max(rows, key=lambda row: row.expire_date or date.min)

    replace(lots, "merged", latest)
