"""A hold lets every move through."""

from tests.planted.planting import edit_function

RULE = "MAT-65"


def plant() -> None:
    edit_function("materials", "hold_refusal", "where h.name = any(known) and not case", "where false and not case")
