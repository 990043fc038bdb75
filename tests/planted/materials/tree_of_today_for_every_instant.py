"""A report as of an earlier instant shows the tree of today."""

from services.materials.model import location
from tests.planted.planting import replace, without

RULE = "MAT-30"


def plant() -> None:
    replace(
        location, "_TREE", without(location._TREE, "and h.from_time <= :at", "and cast(:at as timestamptz) is not null")
    )
