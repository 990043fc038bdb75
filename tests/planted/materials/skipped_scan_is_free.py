"""Everybody may leave scans out."""

from services.materials.api import task_scans
from tests.planted.planting import replace

RULE = "MAT-106"


def plant() -> None:
    replace(task_scans, "SKIP", "materials.tasks.confirm")
