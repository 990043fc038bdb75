"""Goods that leave a place on hold are free of it."""

from tests.planted.planting import edit_function

RULE = "MAT-65"


def plant() -> None:
    edit_function("materials", "hold_refusal", "elsif cardinality(known) > 0 and exists", "elsif false and exists")
