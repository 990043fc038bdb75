"""Goods do not go first to the demand that they were ordered for."""

from services.materials.model import allocating
from tests.planted.planting import replace

RULE = "MAT-78"


def plant() -> None:
    replace(allocating, "pegged", lambda row, orders, rules: False)
