"""The posting function looks at the first quantity alone."""

from tests.planted.planting import edit_function

RULE = "MAT-9"


def plant() -> None:
    edit_function("materials", "stock_refusal", "if second_free < p.second_quantity then", "if false then")
