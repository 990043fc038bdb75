"""Stock on hold is given to reservations."""

from services.materials.model import reservation
from tests.planted.planting import replace, without

RULE = "MAT-63"


def plant() -> None:
    held = "and hold_of(b.site, b.item, b.lot, b.serial, b.handling_unit, b.location) is null"
    replace(reservation, "_CANDIDATES", without(reservation._CANDIDATES, held))
