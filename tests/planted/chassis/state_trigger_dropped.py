"""The database lets any state follow any other."""

from tests.planted.planting import execute

RULE = "REL-68"


def plant() -> None:
    execute("sample", "drop trigger box_states on box")
