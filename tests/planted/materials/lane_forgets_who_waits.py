"""Stock that comes through a lane is not given to who waits for it."""

from tests.planted.planting import edit_function

RULE = "PERF-2"


def plant() -> None:
    edit_function("materials", "post_commands", "r.state in ('PENDING', 'SHORT')", "r.state = 'NONE'")
