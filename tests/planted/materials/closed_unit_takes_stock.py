"""What is in a closed unit changes."""

from tests.planted.planting import edit_function

RULE = "MAT-22"


def plant() -> None:
    edit_function("materials", "handling_unit_refusal", "u.state <> 'OPEN'", "u.state = 'RETIRED'")
