"""The database accepts an order that its author approved."""

from tests.planted.planting import execute

RULE = "PRC-73"


def plant() -> None:
    execute("procurement", "alter table purchase_order drop constraint ck_purchase_order_duties")
