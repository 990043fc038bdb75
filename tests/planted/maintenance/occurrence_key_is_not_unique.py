"""The key of an occurrence is not unique in the database."""

from tests.planted.planting import execute

RULE = "MNT-120"


def plant() -> None:
    execute("maintenance", "drop index uq_occurrence_key")
