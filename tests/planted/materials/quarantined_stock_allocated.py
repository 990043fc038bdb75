"""Stock in inspection is given to reservations."""

from services.materials.model import reservation
from tests.planted.planting import replace, without

RULE = "MAT-60"


def plant() -> None:
    replace(reservation, "_CANDIDATES", without(reservation._CANDIDATES, " and b.status = 'UNRESTRICTED'"))
