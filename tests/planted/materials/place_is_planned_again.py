"""Places that are being counted are planned once more."""

from services.materials.model import count_planning
from tests.planted.planting import replace, without

RULE = "MAT-151"


def plant() -> None:
    part = "and not (b.location = any(cast(:counting as text[])))"
    new = "and cast(:counting as text[]) is not null"
    replace(count_planning, "_STOCKS", without(count_planning._STOCKS, part, new))
