"""A supplier sells an item to a site on two sets of terms."""

from tests.planted.planting import execute

RULE = "PRC-30"


def plant() -> None:
    execute("procurement", "drop index uq_supplier_item")
