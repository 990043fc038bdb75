"""The database lets a unit move without what is in it."""

from tests.planted.planting import edit_function

RULE = "MAT-20"


def plant() -> None:
    edit_function("materials", "unit_takes_its_stock_along", "b.on_hand <> 0", "b.on_hand < 0")
