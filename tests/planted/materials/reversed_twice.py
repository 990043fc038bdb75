"""A movement is reversed as often as somebody asks."""

from tests.planted.planting import edit_function, execute

RULE = "MAT-46"


def plant() -> None:
    edit_function("materials", "post_held", "where m.reverses = d.reverses and m.reverses <> ''", "where false")
    execute("materials", "drop index uq_movement_reverses")
