"""A net amount is rounded half to even."""

from decimal import ROUND_HALF_EVEN

from services.procurement.rules import price
from tests.planted.planting import replace

RULE = "PRC-3"


def plant() -> None:
    replace(price, "ROUND_HALF_UP", ROUND_HALF_EVEN)
