"""Stock at a place that lets nothing out is given to reservations."""

from services.materials.model import allocating
from tests.planted.planting import replace, without

RULE = "MAT-31"


def plant() -> None:
    replace(
        allocating, "_CANDIDATES", without(allocating._CANDIDATES, "k.direction <> 'INBOUND'", "k.direction = 'NONE'")
    )
