"""Stock at other places counts when a movement is backdated."""

from tests.planted.planting import edit_function

RULE = "MAT-56"


def plant() -> None:
    edit_function("materials", "stock_refusal", "e.balance = p_key and", "e.item = p.item and e.lot = p.lot and")
