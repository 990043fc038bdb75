"""A site may have two policies of one kind."""

from tests.planted.planting import execute

RULE = "PRC-92"


def plant() -> None:
    execute("procurement", "drop index uq_procurement_policy")
