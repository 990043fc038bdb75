"""The mark of a spreadsheet_safe export is not taken away at import."""

from services.materials.rules import csv_cells
from tests.planted.planting import replace

RULE = "MAT-322"


def plant() -> None:
    replace(csv_cells, "unmarked", str)
