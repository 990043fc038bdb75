"""What a started task takes away still takes room."""

from tests.planted.planting import edit_function

RULE = "MAT-33"


def plant() -> None:
    edit_function("materials", "place_content", "t.state = 'STARTED'", "t.state = 'COMPLETED'")
