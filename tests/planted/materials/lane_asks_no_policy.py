"""A loss that is posted by a lane asks no policy."""

from tests.planted.planting import edit_function

RULE = "PERF-2"


def plant() -> None:
    edit_function("materials", "post_commands", "m.active_revision <> ''", "false")
