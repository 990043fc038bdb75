"""What a count missed stays in the book while it is on hold."""

from tests.planted.planting import edit_function

RULE = "MAT-65"


def plant() -> None:
    edit_function("materials", "hold_refusal", "f.source like 'sites/%/counts/%/lines/%'", "false")
