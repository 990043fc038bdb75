"""A lot that is decided may be decided again."""

from services.materials.model import receipt
from tests.planted.planting import replace

RULE = "MAT-202"


def plant() -> None:
    replace(receipt, "OPEN_LOTS", tuple(receipt.LotState))
