"""Stock that has to be worked on is given to reservations."""

from services.materials.model import reservation
from tests.planted.planting import replace, without

RULE = "MAT-60"


def plant() -> None:
    statement = without(reservation._CANDIDATES, "b.status = 'UNRESTRICTED'", "b.status in ('UNRESTRICTED', 'REWORK')")
    replace(reservation, "_CANDIDATES", statement)
