"""The task that asks for what was missing stays when the place is not below zero any more."""

from tests.planted.planting import edit_function

RULE = "MAT-55"


def plant() -> None:
    edit_function("materials", "heal_stock", "n.balance = new.name and n.task <> ''", "false")
