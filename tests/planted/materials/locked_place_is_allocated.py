"""Stock at a place that lets nothing out is given to reservations."""

from services.materials.model import reservation
from tests.planted.planting import replace, without

RULE = "MAT-31"


def plant() -> None:
    replace(
        reservation, "_CANDIDATES", without(reservation._CANDIDATES, "k.direction <> 'INBOUND'", "k.direction = 'NONE'")
    )
