"""A period is closed while a count is open."""

from services.materials.model import period
from tests.planted.planting import replace, without

RULE = "MAT-195"


def plant() -> None:
    replace(
        period, "_IN_THE_WAY", without(period._IN_THE_WAY, "state = 'STARTED' and start_time", "false and start_time")
    )
