"""Postings of one item do not wait for each other."""

from tests.planted.planting import edit_function

RULE = "MAT-80"


def plant() -> None:
    edit_function("materials", "hold_items", "order by v.item for update", "order by v.item")
