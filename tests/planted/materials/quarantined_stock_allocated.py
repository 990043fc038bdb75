"""Stock in inspection is given to reservations."""

from services.materials.model import allocating
from tests.planted.planting import replace, without

RULE = "MAT-60"


def plant() -> None:
    replace(
        allocating,
        "_CANDIDATES",
        without(allocating._CANDIDATES, "b.status, b.owner", "'UNRESTRICTED' as status, b.owner"),
    )
