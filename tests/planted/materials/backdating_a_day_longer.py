"""Movements of eight days ago are recorded."""

from services.materials.model import settings
from tests.planted.planting import replace

RULE = "MAT-58"


def plant() -> None:
    replace(settings, "BACKDATING_DAYS", 8)
