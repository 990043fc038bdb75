"""Stock on hold is given to reservations."""

from services.materials.model import allocating
from tests.planted.planting import replace, without

RULE = "MAT-63"


def plant() -> None:
    held = "coalesce(hold_of(b.site, b.item, b.lot, b.serial, b.handling_unit, b.location), '') as held_by"
    replace(allocating, "_CANDIDATES", without(allocating._CANDIDATES, held, "'' as held_by"))
