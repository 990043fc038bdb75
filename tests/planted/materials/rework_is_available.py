"""Stock that has to be worked on is given to reservations."""

from services.materials.model import allocating
from tests.planted.planting import replace, without

RULE = "MAT-60"


def plant() -> None:
    taken = "replace(b.status, 'REWORK', 'UNRESTRICTED') as status,"
    replace(allocating, "_CANDIDATES", without(allocating._CANDIDATES, "b.status,", taken))
