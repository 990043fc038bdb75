"""What is reserved counts as available."""

from tests.planted.planting import edit_function

RULE = "MAT-70"


def plant() -> None:
    edit_function("materials", "stock_refusal", "b.on_hand - b.reserved + p.allocated", "b.on_hand")
