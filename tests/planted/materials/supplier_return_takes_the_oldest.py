"""Goods that go back to the supplier take the oldest layer and not their own."""

from tests.planted.planting import edit_function

RULE = "MAT-183"


def plant() -> None:
    edit_function("materials", "take_layers", "x.movement <> p_own or p_own = '', ", "")
