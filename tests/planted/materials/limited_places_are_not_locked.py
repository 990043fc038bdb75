"""Two who put into a place look at its room at once."""

from tests.planted.planting import edit_function

RULE = "MAT-33"


def plant() -> None:
    edit_function("materials", "hold_for_postings", "order by t.name for no key update", "order by t.name")
