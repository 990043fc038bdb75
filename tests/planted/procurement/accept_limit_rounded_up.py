"""The largest quantity that is accepted is rounded up."""

from decimal import ROUND_CEILING

from services.procurement.rules import price
from tests.planted.planting import replace

RULE = "PRC-154"


def plant() -> None:
    replace(price, "ROUND_FLOOR", ROUND_CEILING)
