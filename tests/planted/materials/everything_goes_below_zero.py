"""Whatever is used of an item that may go below zero does so, wherever it is."""

from tests.planted.planting import edit_function

RULE = "MAT-55"


def plant() -> None:
    edit_function("materials", "may_go_below", "f.kind = 'CONSUME' and", "")
