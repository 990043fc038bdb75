"""All movements of a batch are posted in the name of the first caller."""

from tests.planted.planting import edit_function

RULE = "PERF-2"


def plant() -> None:
    edit_function("materials", "post_commands", "x ->> 'actor' as actor", "p_postings -> 0 ->> 'actor' as actor")
