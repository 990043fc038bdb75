"""Releasing one of several holds lets go of what the others match."""

from services.materials.model import holding
from tests.planted.planting import replace, without

RULE = "MAT-62"


def plant() -> None:
    replace(holding, "_DROP", without(holding._DROP, "hold = :hold", "cast(:hold as text) <> ''"))
