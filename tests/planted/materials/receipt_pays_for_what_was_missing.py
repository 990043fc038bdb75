"""A receipt onto less than nothing adds all of its value to the stock."""

from tests.planted.planting import edit_function

RULE = "MAT-182"


def plant() -> None:
    edit_function(
        "materials", "value_in", "when remaining > 0 then value_share(worth, remaining, p.quantity, digits)",
        "when remaining > 0 then greatest(v.value + worth, 0)",
    )  # fmt: skip
