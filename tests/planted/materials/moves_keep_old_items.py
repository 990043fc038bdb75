"""Movements at once go by an item as it was."""

from tests.planted.planting import edit_function

RULE = "PERF-1"


def plant() -> None:
    edit_function(
        "materials",
        "post_moves",
        "where k.version is distinct from (select x.version from item x where x.name = k.name)",
        "where false",
    )
