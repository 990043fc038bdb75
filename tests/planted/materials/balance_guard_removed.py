"""The posting function does not look whether there is enough."""

from tests.planted.planting import edit_function

RULE = "MAT-57"


def plant() -> None:
    edit_function("materials", "stock_refusal", "if free is null or free < p.quantity then", "if false then")
