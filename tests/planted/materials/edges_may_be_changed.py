"""Edges of the genealogy may be changed."""

from tests.planted.planting import execute

RULE = "MAT-135"


def plant() -> None:
    execute("materials", "drop trigger genealogy_edge_append_only on genealogy_edge")
