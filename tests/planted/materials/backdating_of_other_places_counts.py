"""Stock at other places counts when a movement is backdated."""

from tests.planted.planting import edit_function

RULE = "MAT-56"


def plant() -> None:
    edit_function("materials", "post_movements", "and e.location = p.from_location and e.lot", "and e.lot")
