"""The database cuts the share of a value instead of rounding it."""

from tests.planted.planting import edit_function

RULE = "MAT-181"


def plant() -> None:
    edit_function("materials", "value_share", "+ p_whole, 2 * p_whole", ", 2 * p_whole")
