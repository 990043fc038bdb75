"""Stock goes into a unit that stands elsewhere."""

from tests.planted.planting import edit_function

RULE = "MAT-20"


def plant() -> None:
    edit_function(
        "materials", "handling_unit_refusal",
        "if handling_unit_place(side.name) is distinct from side.location then", "if false then",
    )  # fmt: skip
