"""A movement is reversed as often as somebody asks."""

from tests.planted.planting import edit_function, execute

RULE = "MAT-46"


def plant() -> None:
    edit_function("materials", "post_to_ledger", "where m.reverses = p.reverses and m.reverses <> ''", "where false")
    execute("materials", "drop index uq_movement_reverses")
