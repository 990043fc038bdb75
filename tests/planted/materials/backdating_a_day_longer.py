"""Movements of eight days ago are recorded."""

from datetime import timedelta

from services.materials.api import postings
from tests.planted.planting import replace

RULE = "MAT-58"


def plant() -> None:
    replace(postings, "BACKDATE", timedelta(days=8))
