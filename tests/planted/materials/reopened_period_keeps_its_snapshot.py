"""The snapshot of a period that was opened again stays."""

from services.materials.model import period
from tests.planted.planting import replace

RULE = "MAT-197"


def plant() -> None:
    replace(period, "_DELETE", ())
