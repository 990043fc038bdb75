"""Movements at once do not ask whether a person still holds what it held."""

from tests.planted.planting import edit_function

RULE = "SEC-4"


def plant() -> None:
    edit_function("materials", "post_moves", "where m.mark <> k.mark", "where false")
