"""A place takes one line more than its limit."""

from tests.planted.planting import edit_function

RULE = "MAT-33"


def plant() -> None:
    edit_function("materials", "capacity_refusal", "m.here + m.coming + m.asked > m.most", "m.here + m.coming > m.most")
