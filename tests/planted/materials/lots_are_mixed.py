"""A place that keeps lots apart takes another lot."""

from tests.planted.planting import edit_function

RULE = "MAT-32"


def plant() -> None:
    edit_function("materials", "capacity_refusal", "'lot_mixing', h.lot, p.lot", "'lot_mixing', p.lot, p.lot")
