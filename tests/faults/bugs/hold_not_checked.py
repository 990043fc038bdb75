"""Stock on hold is allocated and handed out like any other."""

from services.materials.model import reservation
from tests.planted.planting import replace, without


def plant() -> None:
    replace(reservation, "_CANDIDATES", without(reservation._CANDIDATES, " and b.status = 'UNRESTRICTED'"))
