"""The rows of several items are locked in a random order."""

from tests.planted.planting import edit_function

RULE = "MAT-74"


def plant() -> None:
    edit_function("materials", "hold_items", "order by v.item for update", "order by random() for update")
