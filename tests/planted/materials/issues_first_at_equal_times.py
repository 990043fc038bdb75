"""A site that wants receipts first at equal times does not get it."""

from tests.planted.planting import edit_function

RULE = "MAT-49"


def plant() -> None:
    edit_function("materials", "stock_refusal", "receipts_first and e.quantity < 0", "e.quantity > 0")
