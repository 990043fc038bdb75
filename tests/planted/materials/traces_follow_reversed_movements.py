"""Edges of movements that were taken back are followed."""

from services.materials.model import tracing
from tests.planted.planting import replace

RULE = "MAT-136"


def plant() -> None:
    before, after = "where m.reverses = e.movement", "where false and m.reverses = e.movement"
    replace(tracing, "_STEPS", tuple(one.replace(before, after) for one in tracing._STEPS))
