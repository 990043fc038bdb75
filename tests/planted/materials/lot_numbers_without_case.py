"""Lot numbers that differ by case are one."""

from services.materials.rules import lot_numbers
from tests.planted.planting import replace

RULE = "MAT-12"


def plant() -> None:
    replace(lot_numbers, "normal", lambda number: number.casefold())
