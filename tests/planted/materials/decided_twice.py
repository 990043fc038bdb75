"""A lot that is decided may be decided again."""

from services.materials.model import inspection
from tests.planted.planting import replace

RULE = "MAT-202"


def plant() -> None:
    replace(inspection, "OPEN_LOTS", tuple(inspection.LotState))
