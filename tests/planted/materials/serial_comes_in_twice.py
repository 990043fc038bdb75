"""A serial that is in stock, or left otherwise, comes in once more."""

from tests.planted.planting import edit_function

RULE = "MAT-16"


def plant() -> None:
    edit_function(
        "materials",
        "post_line",
        "and (known.balance <> '' or known.left_by not in",
        "and (false and known.left_by not in",
    )
