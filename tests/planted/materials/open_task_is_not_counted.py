"""What open tasks bring to a place takes no room there."""

from tests.planted.planting import edit_function

RULE = "MAT-33"


def plant() -> None:
    edit_function("materials", "coming_tasks", "t.state = 'READY'", "t.state = 'COMPLETED'")
