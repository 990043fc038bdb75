"""Movements at once are judged by what they come to, not one after the other."""

from tests.planted.planting import edit_function

RULE = "PERF-3"


def plant() -> None:
    edit_function("materials", "post_moves", "over (partition by c.key order by c.n)", "over (partition by c.key)")
