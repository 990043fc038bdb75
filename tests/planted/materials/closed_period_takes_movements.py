"""The posting function does not look at what is closed."""

from tests.planted.planting import edit_function

RULE = "MAT-197"


def plant() -> None:
    edit_function("materials", "closed_until", "p.state in ('CLOSING', 'CLOSED')", "p.state = 'NEVER'")
