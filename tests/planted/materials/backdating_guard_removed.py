"""A backdated movement may make a later balance negative."""

from tests.planted.planting import edit_function

RULE = "MAT-56"


def plant() -> None:
    edit_function(
        "materials",
        "stock_refusal",
        "if lowest < p.quantity or second_lowest < p.second_quantity then",
        "if false then",
    )
