"""A supplier item without rank stands before all ranks."""

from services.procurement.rules import source
from tests.planted.planting import replace

RULE = "PRC-32"


def plant() -> None:
    replace(source, "LAST", 0)
