"""The position counts stock that has expired."""

from services.materials.model import replenishing
from tests.planted.planting import replace, without

RULE = "MAT-164"


def plant() -> None:
    replace(
        replenishing,
        "_FACTS",
        without(
            replenishing._FACTS,
            "and (l.expire_date is null or l.expire_date >= :today)",
            "and cast(:today as date) is not null",
        ),
    )
