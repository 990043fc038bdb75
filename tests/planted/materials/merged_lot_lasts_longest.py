"""What is merged may be used as long as its freshest part."""

from services.materials.rules import lots
from services.materials.rules.lots import Dates
from tests.planted.planting import replace

RULE = "MAT-14"


def plant() -> None:
    def latest(rows: object) -> Dates:
        return max(rows, key=lambda row: (row.expire_date is not None, row.expire_date))  # type: ignore[call-overload, no-any-return]

    replace(lots, "merged", latest)
