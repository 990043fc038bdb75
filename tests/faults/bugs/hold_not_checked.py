"""Stock on hold is allocated and handed out like any other."""

from services.materials.model import allocating
from tests.planted.planting import replace, without


def plant() -> None:
    free = "'UNRESTRICTED' as status, b.owner"
    replace(allocating, "_CANDIDATES", without(allocating._CANDIDATES, "b.status, b.owner", free))
