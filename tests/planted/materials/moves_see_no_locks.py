"""Movements at once do not look at the locks of places."""

from tests.planted.planting import edit_function

RULE = "PERF-1"


def plant() -> None:
    edit_function("materials", "post_moves", "or exists (select from location_lock x where x.location = l.name)", "")
