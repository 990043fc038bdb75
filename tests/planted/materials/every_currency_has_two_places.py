"""Value is rounded to two places in every currency."""

from tests.planted.planting import edit_function

RULE = "MAT-180"


def plant() -> None:
    edit_function("materials", "currency_places", "'KRW', ", "")
